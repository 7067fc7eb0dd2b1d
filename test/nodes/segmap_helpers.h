#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "graph/array.h"
#include "graph/memory.h"
#include "nodes/connected_components.h"

namespace pnflow::test {

// A binary map, one byte a pixel.
struct TestMap {
  std::size_t height = 0, width = 0;
  std::vector<std::uint8_t> pixels;

  TestMap(std::size_t h, std::size_t w, std::uint8_t value = 0)
      : height(h), width(w), pixels(h * w, value) {}
  // One string for each row; '.' is not set.
  explicit TestMap(const std::vector<std::string>& rows)
      : TestMap(rows.size(), rows.front().size()) {
    for (std::size_t y = 0; y < height; ++y) {
      for (std::size_t x = 0; x < width; ++x) at(y, x) = rows[y][x] == '.' ? 0 : 1;
    }
  }
  std::uint8_t& at(std::size_t y, std::size_t x) { return pixels[y * width + x]; }
  std::uint8_t at(std::size_t y, std::size_t x) const { return pixels[y * width + x]; }

  // The same map, one bit a pixel, written pixel by pixel. The padding bits are set when `dirty`.
  std::vector<std::uint64_t> bits(bool dirty = false) const {
    const std::size_t words = (width + 63) / 64;
    std::vector<std::uint64_t> out(height * words, 0);
    for (std::size_t y = 0; y < height; ++y) {
      for (std::size_t x = 0; x < words * 64; ++x) {
        const bool set = x < width ? at(y, x) != 0 : dirty;
        if (set) out[y * words + x / 64] |= std::uint64_t{1} << (x % 64);
      }
    }
    return out;
  }
};

// Any nonzero value is set, so several occur.
inline TestMap random_map(std::mt19937& random, std::size_t height, std::size_t width,
                          double density) {
  TestMap map(height, width);
  std::bernoulli_distribution set(density);
  std::uniform_int_distribution<int> value(1, 255);
  for (auto& pixel : map.pixels) {
    if (set(random)) pixel = static_cast<std::uint8_t>(value(random));
  }
  return map;
}

// Each component's pixels (y, x), in raster order of first pixels, by flood fill: slow and obvious.
using PixelList = std::vector<std::pair<int, int>>;
inline std::vector<PixelList> flood_fill(const TestMap& map, Connectivity connectivity) {
  const auto height = static_cast<int>(map.height);
  const auto width = static_cast<int>(map.width);
  std::vector<char> seen(map.pixels.size(), 0);
  const auto index = [&](int y, int x) {
    return static_cast<std::size_t>(y) * map.width + static_cast<std::size_t>(x);
  };
  std::vector<PixelList> out;
  for (int y0 = 0; y0 < height; ++y0) {
    for (int x0 = 0; x0 < width; ++x0) {
      if (map.pixels[index(y0, x0)] == 0 || seen[index(y0, x0)] != 0) continue;
      PixelList list{{y0, x0}};
      seen[index(y0, x0)] = 1;
      for (std::size_t i = 0; i < list.size(); ++i) {
        const auto [y, x] = list[i];
        for (int dy = -1; dy <= 1; ++dy) {
          for (int dx = -1; dx <= 1; ++dx) {
            if (connectivity == Connectivity::four && dy != 0 && dx != 0) continue;
            const int v = y + dy;
            const int u = x + dx;
            if (v < 0 || u < 0 || v >= height || u >= width) continue;
            if (map.pixels[index(v, u)] == 0 || seen[index(v, u)] != 0) continue;
            seen[index(v, u)] = 1;
            list.emplace_back(v, u);
          }
        }
      }
      out.push_back(std::move(list));
    }
  }
  return out;
}

// An array of these values under a shape, on the heap.
template <class T>
Array make_array(Shape shape, const std::vector<T>& values) {
  return array_of(*heap_pool(), values).reshaped(std::move(shape));
}

}  // namespace pnflow::test
