// The first pointwise convolution with GELU and its response, on Hopper GPUs.

#include <doctest/doctest.h>

#include "gpu/peaknet_cuda/hopper_kernels.h"
#include "test/gpu/peaknet_cuda/reference.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

constexpr auto f32 = Precision::float32;
constexpr auto bf16 = Precision::bfloat16;

bool here() {
  if (runs_hopper_kernels()) return true;
  MESSAGE("skipped: not a GPU of compute capability 9.0");
  return false;
}

struct Inputs {
  Values x, weight, bias;
};

Inputs random_inputs(std::size_t channels, const PixelGrid& grid) {
  Inputs inputs{random_values(grid.all() * channels, bf16, 1),
                random_values(4 * channels * channels, bf16, 2),
                random_values(4 * channels, bf16, 3)};
  for (float& w : inputs.weight) w *= 0.125F;
  return inputs;
}

struct Outputs {
  Values h;
  Values parts;
  friend bool operator==(const Outputs&, const Outputs&) = default;
};

Outputs wide(const Inputs& inputs, std::size_t channels, const PixelGrid& grid) {
  const DeviceValues x(inputs.x, bf16);
  const DeviceValues weight(inputs.weight, bf16);
  const DeviceValues bias(inputs.bias, bf16);
  const DeviceValues h(grid.all() * 4 * channels, bf16);
  const DeviceValues parts(grid.images * wide_gelu_parts(grid.of_image()) * 4 * channels, f32);
  wide_gelu(channels, grid, x.data(), weight.data(), bias.data(), h.data(), parts.floats(),
            nullptr);
  return {h.values(), parts.values()};
}

// (images, outputs): the parts, or the squares of h, added up.
Numbers added(const Values& rows, std::size_t outputs, std::size_t images, bool squares) {
  Numbers sums(images * outputs);
  const std::size_t of_image = rows.size() / images;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double value = rows[i];
    sums[i / of_image * outputs + i % outputs] += squares ? value * value : value;
  }
  return sums;
}

void check_sums(const Outputs& actual, std::size_t outputs, const PixelGrid& grid) {
  const Numbers sums = added(actual.parts, outputs, grid.images, false);
  // Of h before it is rounded: the more there are the less that matters.
  check_near(Values(sums.begin(), sums.end()), added(actual.h, outputs, grid.images, true), bf16);
}

void check_wide(std::size_t channels, const PixelGrid& grid) {
  CAPTURE(channels);
  CAPTURE(grid.images);
  CAPTURE(grid.height);
  const Inputs inputs = random_inputs(channels, grid);
  const Outputs actual = wide(inputs, channels, grid);
  Numbers expected = product(numbers(inputs.x), channels, inputs.weight, inputs.bias);
  for (double& value : expected) value = gelu(value);
  check_near(actual.h, expected, bf16);
  check_sums(actual, 4 * channels, grid);
}

// Of images that are too large for the reference: some pixels from the first to the last one.
void check_some(std::size_t channels, const PixelGrid& grid) {
  CAPTURE(channels);
  CAPTURE(grid.height);
  const Inputs inputs = random_inputs(channels, grid);
  const Outputs actual = wide(inputs, channels, grid);
  check_sums(actual, 4 * channels, grid);
  const auto pixel_of = [](const Values& values, std::size_t pixel, std::size_t each) {
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(pixel * each);
    return Values(begin, begin + static_cast<std::ptrdiff_t>(each));
  };
  const std::size_t step = grid.all() / 97;
  for (std::size_t pixel = grid.all() % 97; pixel <= grid.all(); pixel += step) {
    const std::size_t which = std::min(pixel, grid.all() - 1);
    Numbers expected =
        product(numbers(pixel_of(inputs.x, which, channels)), channels, inputs.weight, inputs.bias);
    for (double& value : expected) value = gelu(value);
    check_near(pixel_of(actual.h, which, 4 * channels), expected, bf16);
  }
}

}  // namespace

TEST_CASE("first pointwise, GELU and response, small images") {
  if (!here()) return;
  for (const std::size_t channels : {96, 192, 352, 384}) {
    REQUIRE(wide_gelu_takes(channels));
    for (const PixelGrid& grid : awkward_grids) check_wide(channels, grid);
    // A whole tile, one pixel more and less, and several tiles to an image.
    for (const PixelGrid& grid :
         {PixelGrid{1, 8, 8}, PixelGrid{2, 5, 13}, PixelGrid{2, 9, 7}, PixelGrid{3, 14, 15}}) {
      check_wide(channels, grid);
    }
  }
  // Several tiles to a warpgroup.
  check_some(96, {200, 9, 7});
  check_some(192, {200, 9, 7});
  check_some(384, {70, 9, 7});
}

TEST_CASE("first pointwise, GELU and response, large images") {
  if (!here()) return;
  check_some(96, {1, 480, 480});
  check_some(96, {3, 211, 97});  // parts of 2 tiles, the last one with fewer
  check_some(192, {2, 240, 240});
  check_some(352, {1, 212, 212});
  check_some(384, {3, 120, 120});
  check_some(384, {5, 60, 60});
}

TEST_CASE("first pointwise: the same bits in every run and batch") {
  if (!here()) return;
  for (const std::size_t channels : {96, 192, 352, 384}) {
    CAPTURE(channels);
    const PixelGrid four{4, 211, 97};  // parts of two tiles
    const PixelGrid one{1, 211, 97};
    const Inputs inputs = random_inputs(channels, four);
    const Outputs first = wide(inputs, channels, four);
    CHECK(wide(inputs, channels, four) == first);
    const auto last = [](const Values& values) {
      return Values(values.end() - static_cast<std::ptrdiff_t>(values.size() / 4), values.end());
    };
    const Outputs alone = wide({last(inputs.x), inputs.weight, inputs.bias}, channels, one);
    CHECK(alone == Outputs{last(first.h), last(first.parts)});
  }
}

TEST_CASE("channels without a kernel are refused") {
  CHECK(!wide_gelu_takes(768));
  CHECK_THROWS_AS(wide_gelu(768, {1, 1, 1}, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr),
                  std::invalid_argument);
}
