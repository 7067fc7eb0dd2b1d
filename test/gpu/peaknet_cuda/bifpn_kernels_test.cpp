// The BiFPN's kernels against plain formulas, at sizes that do not fit them.

#include <doctest/doctest.h>

#include "test/gpu/peaknet_cuda/reference.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

constexpr auto f32 = Precision::float32;
constexpr std::size_t some_channels[] = {8, 32, 256, 264};

PixelGrid twice(const PixelGrid& grid) { return {grid.images, 2 * grid.height, 2 * grid.width}; }

}  // namespace

TEST_CASE("a level fused with the deeper one, small images") {
  for (const Precision precision : all_precisions) {
    for (const PixelGrid& grid : awkward_grids) {
      for (const std::size_t channels : some_channels) {
        CAPTURE(grid.height);
        CAPTURE(channels);
        const std::size_t count = twice(grid).all() * channels;
        const Values p = random_values(count, precision, 1);
        const Values deeper = random_values(grid.all() * channels, precision, 2);
        const DeviceValues device_p(p, precision);
        const DeviceValues device_deeper(deeper, precision);
        const DeviceValues out(count, precision);
        fuse_with_deeper({0.25F, 0.75F}, channels, grid, precision, device_p.data(),
                         device_deeper.data(), out.data(), nullptr);
        Numbers expected = up(numbers(deeper), channels, grid);
        for (std::size_t i = 0; i < count; ++i) expected[i] = 0.75 * expected[i] + 0.25 * p[i];
        check_near(out.values(), expected, precision);
      }
    }
  }
}

TEST_CASE("a level fused with the shallower one, small images") {
  for (const Precision precision : all_precisions) {
    for (const PixelGrid& grid : awkward_grids) {
      for (const std::size_t channels : some_channels) {
        CAPTURE(grid.height);
        CAPTURE(channels);
        const std::size_t count = grid.all() * channels;
        const Values p = random_values(count, precision, 1);
        const Values m = random_values(count, precision, 2);
        const Values shallower = random_values(4 * count, precision, 3);
        const DeviceValues device_p(p, precision);
        const DeviceValues device_m(m, precision);
        const DeviceValues device_shallower(shallower, precision);
        const DeviceValues out(count, precision);
        fuse_with_shallower({0.5F, 0.125F, 0.375F}, channels, grid, precision, device_p.data(),
                            device_m.data(), device_shallower.data(), out.data(), nullptr);
        Numbers expected = down(numbers(shallower), channels, grid);
        for (std::size_t i = 0; i < count; ++i) {
          expected[i] = 0.375 * expected[i] + 0.5 * p[i] + 0.125 * m[i];
        }
        check_near(out.values(), expected, precision);
      }
    }
  }
}

TEST_CASE("norm, GELU and what is added, small images") {
  for (const Precision precision : all_precisions) {
    for (const PixelGrid& grid : awkward_grids) {
      for (const std::size_t channels : {8, 24, 32, 256, 352, 512, 2816}) {
        CAPTURE(grid.height);
        CAPTURE(channels);
        const std::size_t count = grid.all() * channels;
        const Values z = random_values(count, precision, 1);
        const Values p = random_values(count, precision, 2);
        const Values weight = random_values(channels, f32, 3);
        const Values bias = random_values(channels, f32, 4);
        const DeviceValues device_z(z, precision);
        const DeviceValues device_p(p, precision);
        const DeviceValues w(weight, f32);
        const DeviceValues b(bias, f32);
        Numbers expected = scaled(normalised(numbers(z), channels), weight, bias);
        for (std::size_t i = 0; i < count; ++i) expected[i] = gelu(expected[i]) + p[i];
        // In place.
        norm_gelu_add({w.floats(), b.floats()}, channels, grid, precision, device_z.data(),
                      device_p.data(), device_z.data(), nullptr);
        check_near(device_z.values(), expected, precision, gelu_factor(precision));
      }
    }
  }
}
