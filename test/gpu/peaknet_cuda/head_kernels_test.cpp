// The heads' kernels against plain formulas, at sizes that do not fit them.

#include <doctest/doctest.h>

#include "test/gpu/peaknet_cuda/reference.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

constexpr auto f32 = Precision::float32;
constexpr std::size_t some_channels[] = {32, 64, 96, 256, 320, 512};

// A layer's output, its norm, and the factors and summands that the device makes of them.
struct Layer {
  Layer(std::size_t channel_count, const PixelGrid& pixels, Precision of, float mean)
      : channels(channel_count),
        grid(pixels),
        precision(of),
        x(shifted(random_values(grid.all() * channels, f32, 1), mean)),
        weight(random_values(channels, f32, 2)),
        bias(random_values(channels, f32, 3)),
        on_device(x, precision),
        affine(grid.images * channels * 2, f32) {
    const DeviceValues w(weight, f32);
    const DeviceValues b(bias, f32);
    const std::size_t parts = group_parts(grid.of_image(), channels);
    const DeviceValues sums(grid.images * parts * channels * 2, f32);
    group_norm_affine({w.floats(), b.floats()}, channels, grid, precision, on_device.data(),
                      sums.floats(), affine.floats(), nullptr);
    check(cudaDeviceSynchronize());
  }
  Numbers activated() const {
    // As the device has it.
    Numbers seen = group_norm(numbers(on_device.values()), channels, grid, weight, bias);
    for (double& value : seen) value = gelu(value);
    return seen;
  }
  // For check_near(). A group of few values may have nearly no variance: its values, and their last
  // bits, are up to 1 / sqrt(eps) = 316 times as large then.
  double room(Precision result) const {
    const bool few = grid.of_image() * channels / 32 <= 50;
    if (few && result != Precision::bfloat16) return result == Precision::float32 ? 100 : 16;
    return 2;
  }
  static Values shifted(Values values, float mean) {
    for (float& value : values) value += mean;
    return values;
  }
  static void check(cudaError_t code) { REQUIRE(code == cudaSuccess); }

  std::size_t channels;
  PixelGrid grid;
  Precision precision;
  Values x, weight, bias;
  DeviceValues on_device, affine;
};

}  // namespace

TEST_CASE("GroupNorm as factors and summands, small images") {
  for (const Precision precision : all_precisions) {
    for (const PixelGrid& grid : awkward_grids) {
      for (const std::size_t channels : some_channels) {
        CAPTURE(grid.height);
        CAPTURE(channels);
        for (const float mean : {0.0F, 3.0F}) {
          const Layer layer(channels, grid, precision, mean);
          const Values affine = layer.affine.values();
          const Values x = layer.on_device.values();
          Values scaled(x.size());
          for (std::size_t i = 0; i < x.size(); ++i) {
            const std::size_t image = i / (grid.of_image() * channels);
            const std::size_t at = 2 * (image * channels + i % channels);
            scaled[i] = x[i] * affine[at] + affine[at + 1];
          }
          check_near(scaled, group_norm(numbers(x), channels, grid, layer.weight, layer.bias), f32,
                     layer.room(f32));
        }
      }
    }
  }
}

TEST_CASE("GELU and twice the size, small images") {
  for (const Precision precision : all_precisions) {
    for (const PixelGrid& grid : awkward_grids) {
      for (const std::size_t channels : some_channels) {
        CAPTURE(grid.height);
        CAPTURE(channels);
        const Layer layer(channels, grid, precision, 0.5F);
        const DeviceValues out(4 * grid.all() * channels, precision);
        gelu_up(layer.affine.floats(), channels, grid, precision, layer.on_device.data(),
                out.data(), nullptr);
        check_near(out.values(), up(layer.activated(), channels, grid), precision,
                   layer.room(precision));
      }
    }
  }
}

TEST_CASE("scores of activated channels, small images") {
  for (const Precision precision : all_precisions) {
    for (const PixelGrid& grid : awkward_grids) {
      for (const std::size_t channels : some_channels) {
        for (const std::size_t scores : {1, 17, 37}) {
          CAPTURE(grid.height);
          CAPTURE(channels);
          const Layer layer(channels, grid, precision, 0.5F);
          const Values weight = random_values(scores * channels, f32, 7);
          const DeviceValues w(weight, f32);
          const DeviceValues out(grid.all() * scores, f32);
          gelu_scores(layer.affine.floats(), channels, scores, w.floats(), grid, precision,
                      layer.on_device.data(), out.floats(), nullptr);
          // Sums of as many terms as there are channels, each with its GELU's error, which is the
          // same for both types of 16 bits.
          const double factor = precision == Precision::float16 ? 8 : 2;
          check_near(out.values(), product(layer.activated(), channels, weight, {}), precision,
                     factor * layer.room(precision));
        }
      }
    }
  }
}
