#include "nodes/connected_components.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "graph/error.h"
#include "segmap_helpers.h"

namespace pnflow {
namespace {

using test::flood_fill;
using test::PixelList;
using test::TestMap;

// Everything that the class says of one map, against the flood fill.
void check_against_flood_fill(const ConnectedComponents& found, const TestMap& map,
                              Connectivity connectivity) {
  const std::vector<PixelList> expected = flood_fill(map, connectivity);
  REQUIRE(found.components().size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    PixelList pixels = expected[i];
    std::ranges::sort(pixels);
    PixelList from_runs;
    for (const PixelRun& run : found.runs_of(i)) {
      REQUIRE(run.component == i);
      for (int x = run.begin; x < run.end; ++x) from_runs.emplace_back(run.row, x);
    }
    REQUIRE(from_runs == pixels);

    const Component& component = found.components()[i];
    std::int64_t sum_y = 0;
    std::int64_t sum_x = 0;
    PixelBox box{pixels[0].first, pixels[0].second, pixels[0].first, pixels[0].second};
    for (const auto& [y, x] : pixels) {
      sum_y += y;
      sum_x += x;
      box = {std::min(box.y0, y), std::min(box.x0, x), std::max(box.y1, y), std::max(box.x1, x)};
    }
    REQUIRE(component.npix == static_cast<std::int64_t>(pixels.size()));
    REQUIRE(component.sum_y == sum_y);
    REQUIRE(component.twice_sum_x == 2 * sum_x);
    REQUIRE(component.box.y0 == box.y0);
    REQUIRE(component.box.x0 == box.x0);
    REQUIRE(component.box.y1 == box.y1);
    REQUIRE(component.box.x1 == box.x1);
  }
  std::size_t set_pixels = 0;
  for (std::size_t y = 0; y < map.height; ++y) {
    for (const PixelRun& run : found.runs_in_row(static_cast<std::int32_t>(y))) {
      REQUIRE(run.row == static_cast<std::int32_t>(y));
      set_pixels += static_cast<std::size_t>(run.end - run.begin);
    }
  }
  REQUIRE(set_pixels == map.pixels.size() - static_cast<std::size_t>(
                                                std::ranges::count(map.pixels, std::uint8_t{0})));
}

void check_map(ConnectedComponents& components, const TestMap& map) {
  CAPTURE(map.height);
  CAPTURE(map.width);
  for (const Connectivity connectivity : {Connectivity::four, Connectivity::eight}) {
    components.label_bytes(map.pixels, map.height, map.width, connectivity);
    check_against_flood_fill(components, map, connectivity);
    for (const bool dirty : {false, true}) {
      components.label_bits(map.bits(dirty), map.height, map.width, connectivity);
      check_against_flood_fill(components, map, connectivity);
    }
  }
}

TEST_CASE("a one-pixel component at row 3, column 5 has its centre at y = 3, x = 5") {
  TestMap map(8, 8);
  map.at(3, 5) = 1;
  ConnectedComponents components;
  components.label_bytes(map.pixels, 8, 8, Connectivity::eight);
  REQUIRE(components.components().size() == 1);
  CHECK(components.components()[0].y() == 3.0);
  CHECK(components.components()[0].x() == 5.0);
}

TEST_CASE("diagonal neighbours are one component of eight neighbours and two of four") {
  const TestMap map({"#.", ".#"});
  ConnectedComponents components;
  components.label_bytes(map.pixels, 2, 2, Connectivity::eight);
  CHECK(components.components().size() == 1);
  components.label_bytes(map.pixels, 2, 2, Connectivity::four);
  CHECK(components.components().size() == 2);
}

TEST_CASE("a component that is joined late keeps the number of its first pixel") {
  const TestMap map({"..#...#", "#.#...#", "#.....#", "#######", ".......", "#......"});
  ConnectedComponents components;
  check_map(components, map);
  components.label_bytes(map.pixels, map.height, map.width, Connectivity::eight);
  REQUIRE(components.components().size() == 3);
  CHECK(components.components()[0].npix == 2);   // starts at (0, 2)
  CHECK(components.components()[1].npix == 12);  // starts at (0, 6)
  CHECK(components.components()[2].npix == 1);
}

TEST_CASE("random maps of awkward sizes give what a flood fill gives, as bytes and as bits") {
  std::mt19937 random(1);
  ConnectedComponents components;  // the same one, so that what a map leaves behind would show
  const std::vector<std::pair<std::size_t, std::size_t>> sizes = {
      {1, 1}, {1, 2}, {1, 63}, {1, 64}, {1, 65}, {1, 300}, {2, 1},   {65, 1},  {200, 1}, {3, 7},
      {7, 8}, {9, 9}, {5, 64}, {6, 65}, {8, 63}, {4, 127}, {4, 128}, {4, 129}, {33, 70}, {20, 192}};
  for (const auto& [height, width] : sizes) {
    for (const double density : {0.0, 0.05, 0.3, 0.5, 0.6, 0.9, 1.0}) {
      check_map(components, test::random_map(random, height, width, density));
    }
  }
}

TEST_CASE("many small random maps give what a flood fill gives") {
  std::mt19937 random(2);
  ConnectedComponents components;
  std::uniform_int_distribution<std::size_t> extent(1, 12);
  std::uniform_real_distribution<double> density(0.2, 0.8);
  for (int i = 0; i < 500; ++i) {
    check_map(components,
              test::random_map(random, extent(random), extent(random), density(random)));
  }
}

TEST_CASE("checkerboards, combs, spirals and nested rings give what a flood fill gives") {
  const std::size_t size = 97;
  TestMap checkerboard(size, size);
  TestMap comb(size, size);
  TestMap upside_down(size, size);
  TestMap rings(size, size);
  TestMap snake(size, size);
  for (std::size_t y = 0; y < size; ++y) {
    for (std::size_t x = 0; x < size; ++x) {
      checkerboard.at(y, x) = (y + x) % 2 == 0;
      comb.at(y, x) = x % 2 == 0 || y == size - 1;
      upside_down.at(y, x) = x % 3 == 0 || y == 0;
      rings.at(y, x) = std::min({y, x, size - 1 - y, size - 1 - x}) % 2 == 0;
      snake.at(y, x) = y % 2 == 0 || x == (y % 4 == 1 ? size - 1 : 0);
    }
  }
  // A spiral inwards: walk on until the pixel after next is set or outside, then turn right.
  TestMap spiral(size, size);
  const auto n = static_cast<int>(size);
  int y = 0;
  int x = 0;
  int dy = 0;
  int dx = 1;
  const auto free = [&](int v, int u) {
    return v < 0 || u < 0 || v >= n || u >= n ||
           spiral.at(static_cast<std::size_t>(v), static_cast<std::size_t>(u)) == 0;
  };
  const auto inside = [&](int v, int u) { return v >= 0 && u >= 0 && v < n && u < n; };
  for (int turns = 0; turns < 2;) {
    spiral.at(static_cast<std::size_t>(y), static_cast<std::size_t>(x)) = 1;
    if (inside(y + dy, x + dx) && free(y + 2 * dy, x + 2 * dx)) {
      y += dy;
      x += dx;
      turns = 0;
    } else {
      dy = std::exchange(dx, -dy);
      ++turns;
    }
  }
  ConnectedComponents components;
  for (const TestMap& map : {checkerboard, comb, upside_down, rings, snake, spiral}) {
    check_map(components, map);
  }
  components.label_bytes(spiral.pixels, size, size, Connectivity::four);
  CHECK(components.components().size() == 1);
  components.label_bytes(rings.pixels, size, size, Connectivity::eight);
  CHECK(components.components().size() == 25);
}

TEST_CASE("a map without pixels has no components") {
  ConnectedComponents components;
  components.label_bytes({}, 0, 5, Connectivity::eight);
  CHECK(components.components().empty());
  components.label_bits({}, 3, 0, Connectivity::eight);
  CHECK(components.components().empty());
}

TEST_CASE("a map whose size is not that of its pixels is refused") {
  ConnectedComponents components;
  const std::vector<std::uint8_t> pixels(12);
  CHECK_THROWS_WITH_AS(components.label_bytes(pixels, 3, 5, Connectivity::eight),
                       "wrong shape: a map of 3x5 pixels has 15 entries, not 12", DataError);
  const std::vector<std::uint64_t> words(3);
  CHECK_THROWS_AS(components.label_bits(words, 3, 65, Connectivity::eight), DataError);
  CHECK_THROWS_AS(components.label_bytes(pixels, std::size_t{1} << 20, std::size_t{1} << 20,
                                         Connectivity::eight),
                  DataError);
}

TEST_CASE("after giving its memory back an object labels the next map as before") {
  std::mt19937 random(3);
  ConnectedComponents components;
  const TestMap map = test::random_map(random, 50, 70, 0.5);
  components.label_bytes(map.pixels, map.height, map.width, Connectivity::four);
  components.trim(std::size_t{1} << 30);
  CHECK_FALSE(components.components().empty());
  components.trim(0);
  CHECK(components.components().empty());
  check_map(components, map);
}

}  // namespace
}  // namespace pnflow
