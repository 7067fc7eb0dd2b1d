// The last kernels against plain formulas: where the scores of four levels say that peaks are.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "gpu/cuda/cuda_check.h"
#include "test/gpu/peaknet_cuda/reference.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

constexpr auto f32 = Precision::float32;
constexpr float bias = 0.1F;

// Transposed convolution of one output channel, its places being all scores but the first.
void add_learned(const Numbers& merged, std::size_t scores, std::size_t patch,
                 const PixelGrid& grid, Numbers& values) {
  const std::size_t side = patch + 2;
  const std::size_t height = grid.height * patch;
  const std::size_t width = grid.width * patch;
  for (std::size_t i = 0; i < grid.all(); ++i) {
    const std::size_t image = i / grid.of_image();
    for (std::size_t place = 0; place < side * side; ++place) {
      // With a padding of 1, which is cut off.
      const std::size_t y = i / grid.width % grid.height * patch + place / side;
      const std::size_t x = i % grid.width * patch + place % side;
      if (y < 1 || y > height || x < 1 || x > width) continue;
      values[(image * height + y - 1) * width + x - 1] += merged[i * scores + 1 + place];
    }
  }
}

Numbers expected_values(const std::vector<Values>& levels, std::size_t scores, std::size_t patch,
                        const PixelGrid& grid) {
  Numbers merged = numbers(levels[0]);
  for (std::size_t level = 1; level < 4; ++level) {
    const Numbers more =
        up(numbers(levels[level]), scores, {grid.images, grid.height / 2, grid.width / 2});
    for (std::size_t i = 0; i < merged.size(); ++i) merged[i] += more[i];
  }
  Numbers first;
  for (std::size_t i = 0; i < merged.size(); i += scores) first.push_back(merged[i]);
  Numbers values = enlarged(first, 1, grid, patch);
  if (scores > 1) add_learned(merged, scores, patch, grid, values);
  for (double& value : values) value += bias;
  return values;
}

template <class T>
std::vector<T> downloaded(const CudaBuffer& buffer, std::size_t count) {
  std::vector<T> host(count);
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  check(cudaMemcpy(host.data(), buffer.data(), count * sizeof(T), cudaMemcpyDeviceToHost),
        "cudaMemcpy");
  return host;
}

// `bytes` of them, each with this value.
CudaBuffer filled(std::size_t bytes, int value) {
  CudaBuffer buffer(MemoryKind::device);
  buffer.reserve(bytes);
  check(cudaMemset(buffer.data(), value, bytes), "cudaMemset");
  return buffer;
}

// All levels' scores in the device's memory.
class DeviceScores {
 public:
  explicit DeviceScores(const std::vector<Values>& levels) {
    for (const Values& level : levels) levels_.emplace_back(level, f32);
  }
  LevelScores pointers() const {
    return {levels_[0].floats(), {levels_[1].floats(), levels_[2].floats(), levels_[3].floats()}};
  }

 private:
  std::vector<DeviceValues> levels_;
};

unsigned* as_flags(const CudaBuffer& buffer) { return reinterpret_cast<unsigned*>(buffer.data()); }

// The part of the first images that `maps` shows of values of grid * patch.
Numbers cropped(const Numbers& values, const PixelGrid& whole, const PixelGrid& maps) {
  Numbers part;
  for (std::size_t row = 0; row < maps.images * maps.height; ++row) {
    const std::size_t from = row / maps.height * whole.height + row % maps.height;
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(from * whole.width);
    part.insert(part.end(), begin, begin + static_cast<std::ptrdiff_t>(maps.width));
  }
  return part;
}

// Of logits (images, 2, height, width): 0 for class 0 everywhere, and what class 1 has.
void check_logits(const Values& logits, const Numbers& expected, const PixelGrid& maps) {
  Numbers both;
  for (std::size_t image = 0; image < maps.images; ++image) {
    both.resize(both.size() + maps.of_image());
    const auto from = expected.begin() + static_cast<std::ptrdiff_t>(image * maps.of_image());
    both.insert(both.end(), from, from + static_cast<std::ptrdiff_t>(maps.of_image()));
  }
  check_near(logits, both, f32, 2);
}

// Pixels whose answer is not that of the values, except where those are nearly 0; anything but 0
// behind the end of a row counts too.
std::size_t wrong_pixels(const std::vector<std::uint8_t>& maps, MapFormat format,
                         const Numbers& expected, std::size_t width) {
  const std::size_t row_bytes = format == MapFormat::bits ? (width + 63) / 64 * 8 : width;
  const std::size_t rows = maps.size() / row_bytes;
  std::size_t wrong = 0;
  for (std::size_t y = 0; y < rows; ++y) {
    const std::size_t pixels = format == MapFormat::bits ? row_bytes * 8 : width;
    for (std::size_t x = 0; x < pixels; ++x) {
      const std::uint8_t byte = maps[y * row_bytes + (format == MapFormat::bits ? x / 8 : x)];
      const unsigned found = format == MapFormat::bits ? byte >> (x % 8) & 1U : byte;
      const double value = x < width ? expected[y * width + x] : -1;
      if (std::abs(value) > 1e-4 && found != static_cast<unsigned>(value > 0)) ++wrong;
    }
  }
  return wrong;
}

void check_decision(const PixelGrid& grid, std::size_t scores, std::size_t patch,
                    const PixelGrid& maps) {
  CAPTURE(grid.height);
  CAPTURE(grid.width);
  CAPTURE(scores);
  CAPTURE(patch);
  CAPTURE(maps.width);
  std::vector<Values> levels{random_values(grid.all() * scores, f32, 1)};
  for (unsigned level = 1; level < 4; ++level) {
    levels.push_back(random_values(grid.all() / 4 * scores, f32, 1 + level));
  }
  const DeviceScores on_device(levels);
  const Numbers expected = cropped(expected_values(levels, scores, patch, grid),
                                   {grid.images, grid.height * patch, grid.width * patch}, maps);
  const MapGeometry geometry = map_geometry(maps.height, maps.width, {});
  const DeviceValues merged(grid.all() * scores, f32);
  const DeviceValues logits(2 * maps.all(), f32);
  for (const MapFormat format : {MapFormat::bits, MapFormat::uint8}) {
    for (const bool with_logits : {true, false}) {
      const std::size_t bytes = maps.images * geometry.map_bytes(format);
      const CudaBuffer out = filled(bytes, 0xff);
      const CudaBuffer not_finite = filled(maps.images * sizeof(unsigned), 0);
      decide_peaks(on_device.pointers(), scores, bias, patch, grid, merged.floats(),
                   {maps.images, geometry, format, out.data(),
                    with_logits ? logits.floats() : nullptr, as_flags(not_finite)},
                   nullptr);
      const auto found = downloaded<std::uint8_t>(out, bytes);
      CHECK(wrong_pixels(found, format, expected, maps.width) == 0);
      CHECK(downloaded<unsigned>(not_finite, maps.images) == std::vector<unsigned>(maps.images));
    }
  }
  check_logits(logits.values(), expected, maps);
}

// One score of `level` in the second of four images is `odd`.
void check_named(std::size_t patch, std::size_t level, float odd) {
  constexpr PixelGrid grid{4, 8, 34};
  std::vector<Values> levels{Values(grid.all(), 1)};
  levels.resize(4, Values(grid.all() / 4, 1));
  const std::size_t of_image = levels[level].size() / grid.images;
  levels[level][2 * of_image - 1] = odd;
  levels[level].back() = odd;  // the last image is not asked for
  const DeviceScores on_device(levels);
  const DeviceValues merged(grid.all(), f32);
  const MapGeometry geometry = map_geometry(grid.height * patch, grid.width * patch, {});
  const CudaBuffer out = filled(3 * geometry.map_bytes(MapFormat::bits), 0);
  const CudaBuffer not_finite = filled(3 * sizeof(unsigned), 0);
  decide_peaks(on_device.pointers(), 1, bias, patch, grid, merged.floats(),
               {3, geometry, MapFormat::bits, out.data(), nullptr, as_flags(not_finite)}, nullptr);
  CHECK(downloaded<unsigned>(not_finite, 3) == std::vector<unsigned>{0, 1, 0});
}

// Maps of all that was seen, and of less in each direction.
void check_decisions(const PixelGrid& grid, std::size_t scores, std::size_t patch) {
  const std::size_t height = grid.height * patch;
  const std::size_t width = grid.width * patch;
  check_decision(grid, scores, patch, {grid.images, height, width});
  check_decision(grid, scores, patch, {grid.images, height - 1, width - std::min(width - 1, 7UL)});
  check_decision(grid, scores, patch, {1, 1, 1});
}

}  // namespace

TEST_CASE("peaks where scores are positive, small images") {
  for (const PixelGrid& grid : even_grids) {
    for (const std::size_t patch : {2, 4, 8}) check_decisions(grid, 1, patch);
  }
  check_decisions({1, 36, 140}, 1, 4);  // several tiles
}

TEST_CASE("an image whose scores are not finite is named, small images") {
  for (const std::size_t patch : {2, 4}) {
    for (const std::size_t level : {0, 1}) {
      for (const float odd : {NAN, INFINITY}) check_named(patch, level, odd);
    }
  }
}

TEST_CASE("peaks with a learned upsampling, small images") {
  for (const PixelGrid& grid : even_grids) {
    for (const std::size_t patch : {1, 2, 4}) {
      check_decisions(grid, 1 + (patch + 2) * (patch + 2), patch);
    }
  }
}
