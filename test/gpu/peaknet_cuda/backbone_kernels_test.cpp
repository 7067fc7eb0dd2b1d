// The backbone's kernels against plain formulas, at sizes that do not fit them.

#include <doctest/doctest.h>

#include <cmath>

#include "test/gpu/peaknet_cuda/reference.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

constexpr auto f32 = Precision::float32;

// Those of all published sizes and of the shipped one, and the odd ones out.
constexpr std::size_t all_channels[] = {8, 16, 24, 32, 64, 96, 128, 192, 352, 384, 768};

// Images of `grid` patches, as rows of the patches' pixels.
Numbers patches_of(const Values& images, const PixelGrid& grid, std::size_t patch) {
  Numbers rows;
  const std::size_t width = grid.width * patch;
  for (std::size_t i = 0; i < grid.all(); ++i) {
    for (std::size_t place = 0; place < patch * patch; ++place) {
      const std::size_t y = i / grid.width * patch + place / patch;  // of all images
      rows.push_back(images[y * width + i % grid.width * patch + place % patch]);
    }
  }
  return rows;
}

void check_stem(const PixelGrid& grid, std::size_t patch, std::size_t channels, Precision of_images,
                Precision precision) {
  CAPTURE(grid.height);
  CAPTURE(channels);
  const std::size_t places = patch * patch;
  const Values images = random_values(grid.all() * places, of_images, 1);
  const Values weight = random_values(places * channels, f32, 2);
  const Values bias = random_values(channels, f32, 3);
  const Values norm_weight = random_values(channels, f32, 4);
  const Values norm_bias = random_values(channels, f32, 5);
  Values transposed(weight.size());
  for (std::size_t i = 0; i < weight.size(); ++i) {
    transposed[i % channels * places + i / channels] = weight[i];
  }
  const DeviceValues in(images, of_images);
  const DeviceValues w(weight, f32);
  const DeviceValues b(bias, f32);
  const DeviceValues norm_w(norm_weight, f32);
  const DeviceValues norm_b(norm_bias, f32);
  const DeviceValues out(grid.all() * channels, precision);
  stem({patch, channels, {w.floats(), b.floats()}, {norm_w.floats(), norm_b.floats()}}, grid,
       in.data(), of_images, precision, out.data(), nullptr);
  const Numbers seen = product(patches_of(images, grid, patch), places, transposed, bias);
  check_near(out.values(), scaled(normalised(seen, channels), norm_weight, norm_bias), precision);
}

struct Depthwise {
  Values out, exceeded;
};

Depthwise depthwise_on_device(const Values& x, const Values& weight, const Values& bias,
                              std::size_t channels, const PixelGrid& grid, DepthwiseSums sums,
                              Precision precision) {
  const DeviceValues in(x, precision);
  const DeviceValues w(weight, f32);
  const DeviceValues b(bias, f32);
  const DeviceValues out(x.size(), precision);
  const DeviceValues exceeded(Values(grid.images), f32);
  depthwise_norm({w.floats(), b.floats()}, channels, grid, sums,
                 reinterpret_cast<unsigned*>(exceeded.floats()), precision, in.data(), out.data(),
                 nullptr);
  return {out.values(), exceeded.values()};
}

void check_depthwise(const PixelGrid& grid, std::size_t channels, DepthwiseSums sums,
                     Precision precision) {
  CAPTURE(grid.height);
  CAPTURE(grid.width);
  CAPTURE(channels);
  const Values x = random_values(grid.all() * channels, precision, 1);
  Values weight = random_values(49 * channels, f32, 2);
  for (float& w : weight) w *= 0.2F;
  const Values bias = random_values(channels, f32, 3);
  const Depthwise found = depthwise_on_device(x, weight, bias, channels, grid, sums, precision);
  CHECK(found.exceeded == Values(grid.images));
  // The sum is rounded to the activations' type before the norm. Sums in float16 are rounded 49
  // times, which is less than bfloat16's last bit, and more than that of float16 activations.
  const bool coarser = precision == Precision::float16 && sums == DepthwiseSums::float16;
  check_near(found.out, normalised(depthwise(numbers(x), channels, grid, weight, bias), channels),
             precision, coarser ? 24 : 3);
}

// Sums of float16 that end, or are on their way, beyond 65504: two pixels of the second image, (y,
// x) and the next one, have a large value.
void check_large_sums(const PixelGrid& grid, std::size_t channels, float large, std::size_t y,
                      std::size_t x) {
  CAPTURE(channels);
  CAPTURE(large);
  CAPTURE(y);
  CAPTURE(x);
  constexpr auto bf16 = Precision::bfloat16;
  Values values = random_values(grid.all() * channels, bf16, 1);
  const std::size_t pixel = grid.of_image() + y * grid.width + x;
  values[pixel * channels + 3] = values[(pixel + 1) * channels + 3] = large;
  Values weight = random_values(49 * channels, f32, 2);
  for (float& w : weight) w = std::abs(w);
  const Values bias = random_values(channels, f32, 3);
  const Depthwise found =
      depthwise_on_device(values, weight, bias, channels, grid, DepthwiseSums::float16, bf16);
  CHECK(found.exceeded[0] == 0);
  CHECK(found.exceeded[1] != 0);
  CHECK(found.exceeded[2] == 0);
  check_near(found.out,
             normalised(depthwise(numbers(values), channels, grid, weight, bias), channels), bf16,
             3);
}

}  // namespace

TEST_CASE("the stem's patches, small images") {
  for (const Precision precision : all_precisions) {
    for (const PixelGrid& grid : awkward_grids) {
      for (const std::size_t channels : {8, 16, 96, 352}) {
        check_stem(grid, 4, channels, f32, precision);
        check_stem(grid, 2, channels, precision, precision);
      }
    }
  }
}

TEST_CASE("depthwise convolution and norm, small images") {
  for (const Precision precision : all_precisions) {
    for (const PixelGrid& grid : awkward_grids) {
      for (const std::size_t channels : all_channels) {
        check_depthwise(grid, channels, DepthwiseSums::float32, precision);
      }
    }
  }
}

TEST_CASE("depthwise convolution and norm with float16 sums, small images") {
  for (const Precision precision : {Precision::bfloat16, Precision::float16}) {
    for (const PixelGrid& grid : awkward_grids) {
      for (const std::size_t channels : all_channels) {
        check_depthwise(grid, channels, DepthwiseSums::float16, precision);
      }
    }
  }
}

TEST_CASE("images with large sums are computed once more with float32 sums, small images") {
  for (const std::size_t channels : {16, 96, 192, 768, 776}) {
    for (const float large : {57344.0F, 0x1p20F}) {
      check_large_sums({3, 12, 10}, channels, large, 5, 4);
    }
  }
}

// Wherever strips and blocks begin and end.
TEST_CASE("large sums are found in every row, small images") {
  constexpr PixelGrid grid{3, 40, 18};
  for (const std::size_t channels : {96, 192}) {
    for (std::size_t y = 0; y < grid.height; ++y) {
      for (const std::size_t x : {0, 5, 16}) check_large_sums(grid, channels, 57344, y, x);
    }
  }
}

TEST_CASE("depthwise convolution and norm of more channels than a block has, small images") {
  for (const std::size_t channels : {776, 1408, 2816}) {
    check_depthwise({2, 9, 5}, channels, DepthwiseSums::float16, Precision::bfloat16);
    check_depthwise({2, 9, 5}, channels, DepthwiseSums::float16, Precision::float16);
    check_depthwise({2, 9, 5}, channels, DepthwiseSums::float32, f32);
  }
}

TEST_CASE("strips of several rows, large images") {
  check_depthwise({1, 150, 33}, 96, DepthwiseSums::float16, Precision::bfloat16);
  check_depthwise({1, 150, 33}, 192, DepthwiseSums::float16, Precision::float16);
  check_depthwise({1, 150, 33}, 16, DepthwiseSums::float32, f32);
}

TEST_CASE("normalised pixels, in their order and in cells of 2x2, small images") {
  for (const Precision precision : all_precisions) {
    for (const PixelGrid& grid : even_grids) {
      for (const std::size_t channels : {8, 24, 96, 352, 768, 1408, 2816, 3072}) {
        CAPTURE(channels);
        const Values x = random_values(grid.all() * channels, precision, 1);
        const DeviceValues in(x, precision);
        const DeviceValues plain(x.size(), precision);
        const DeviceValues gathered(x.size(), precision);
        normalise(channels, grid, precision, in.data(), plain.data(), gathered.data(), nullptr);
        const Numbers expected = normalised(numbers(x), channels);
        check_near(plain.values(), expected, precision);
        const Values in_order = plain.values();
        const Values in_cells = gathered.values();
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < in_cells.size(); ++i) {
          const std::size_t place = i / channels % 4;
          const std::size_t cell = i / channels / 4;
          const std::size_t row = 2 * (cell / (grid.width / 2)) + place / 2;
          const std::size_t column = 2 * (cell % (grid.width / 2)) + place % 2;
          if (in_cells[i] != in_order[(row * grid.width + column) * channels + i % channels]) {
            ++wrong;
          }
        }
        CHECK(wrong == 0);
        normalise(channels, grid, precision, in.data(), in.data(), nullptr, nullptr);
        CHECK(in.values() == in_order);
      }
    }
  }
}

TEST_CASE("the response norm becomes part of the matrix behind it, small images") {
  for (const Precision precision : all_precisions) {
    for (const PixelGrid& grid : {PixelGrid{1, 1, 1}, PixelGrid{3, 7, 5}, PixelGrid{2, 40, 20}}) {
      for (const std::size_t channels : {8, 64, 384, 1408, 3072}) {
        for (const bool with_gelu : {false, true}) {
          CAPTURE(channels);
          const std::size_t outputs = channels == 64 ? 16 : 9;
          const Values h = random_values(grid.all() * channels, precision, 1);
          const Values response_weight = random_values(channels, f32, 2);
          const Values weight = random_values(outputs * channels, precision, 3);
          const DeviceValues on_device(h, precision);
          const DeviceValues factors(response_weight, f32);
          const DeviceValues matrix(weight, precision);
          const std::size_t parts = response_parts(grid.of_image(), channels);
          const DeviceValues sums(grid.images * parts * channels, f32);
          const DeviceValues responses(grid.images * channels, f32);
          const DeviceValues out(grid.images * weight.size(), precision);
          response_sums(channels, grid, precision, with_gelu, on_device.data(), sums.floats(),
                        nullptr);
          fold_responses(channels, outputs, grid.images, precision, sums.floats(), parts,
                         factors.floats(), matrix.data(), responses.floats(), out.data(), nullptr);
          Numbers seen = numbers(h);
          if (with_gelu) {
            for (double& value : seen) value = gelu(value);
            check_near(on_device.values(), seen, precision, gelu_factor(precision));
          }
          Numbers expected;
          for (std::size_t image = 0; image < grid.images; ++image) {
            Numbers response(channels);
            const std::size_t first = image * grid.of_image() * channels;
            for (std::size_t i = 0; i < grid.of_image() * channels; ++i) {
              response[i % channels] += seen[first + i] * seen[first + i];
            }
            double mean = 0;
            for (double& value : response) {
              value = std::sqrt(value);
              mean += value / static_cast<double>(channels);
            }
            for (std::size_t i = 0; i < weight.size(); ++i) {
              const std::size_t c = i % channels;
              expected.push_back(weight[i] *
                                 (1 + response_weight[c] * response[c] / (mean + 1e-6)));
            }
          }
          check_near(out.values(), expected, precision);
        }
      }
    }
  }
}

TEST_CASE("an image has the same bits wherever it is in a batch, small images") {
  const PixelGrid one{1, 40, 30};
  const PixelGrid three{3, 40, 30};
  const std::size_t channels = 96;
  const auto precision = Precision::bfloat16;
  const Values image = random_values(one.all() * channels, precision, 1);
  Values images = random_values(2 * one.all() * channels, precision, 2);
  images.insert(images.end(), image.begin(), image.end());
  const auto sums_of = [&](const Values& values, const PixelGrid& grid) {
    const DeviceValues in(values, precision);
    const DeviceValues sums(grid.images * response_parts(grid.of_image(), channels) * channels,
                            f32);
    response_sums(channels, grid, precision, false, in.data(), sums.floats(), nullptr);
    return sums.values();
  };
  const Values alone = sums_of(image, one);
  const Values together = sums_of(images, three);
  CHECK(alone ==
        Values(together.end() - static_cast<std::ptrdiff_t>(alone.size()), together.end()));
}
