#include "gpu/map_geometry.h"

#include <array>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "graph/error.h"

using namespace pnflow;

TEST_CASE("without padding the map is the image") {
  const MapGeometry g = map_geometry(3, 5, {});
  CHECK(g == MapGeometry{3, 5, 3, 5, 0, 0, 0, 0, 5});
  CHECK(g.words() == 1);
}

TEST_CASE("centred padding puts the smaller half above and to the left") {
  const MapGeometry g = map_geometry(3, 6, MapPadding{8, 9, PadStyle::center});
  CHECK(g == MapGeometry{3, 6, 8, 9, 2, 1, 0, 0, 6});
}

TEST_CASE("bottom-right padding leaves the image where it is") {
  const MapGeometry g = map_geometry(3, 6, MapPadding{8, 130, PadStyle::bottom_right});
  CHECK(g == MapGeometry{3, 6, 8, 130, 0, 0, 0, 0, 6});
  CHECK(g.words() == 3);
  CHECK(g.map_bytes(MapFormat::bits) == 8 * 3 * 8);
  CHECK(g.map_bytes(MapFormat::uint8) == 8 * 130);
}

TEST_CASE("an image larger than its padding is refused with both sizes") {
  for (const auto& [height, width] : {std::pair{9, 4}, std::pair{4, 10}}) {
    try {
      map_geometry(height, width, MapPadding{8, 9, PadStyle::center});
      FAIL("was accepted");
    } catch (const DataError& error) {
      CHECK(error.reason() == "wrong shape");
      CHECK(std::string(error.what()).find("8x9") != std::string::npos);
      CHECK(std::string(error.what()).find(height == 9 ? "9x4" : "4x10") != std::string::npos);
    }
  }
}

TEST_CASE("what is cropped out of the middle, or from a place that is given, is then padded") {
  CHECK(map_geometry(11, 20, {}, MapCrop{4, 7, {}, {}}) == MapGeometry{4, 7, 4, 7, 0, 0, 3, 6, 20});
  const MapGeometry g =
      map_geometry(11, 20, MapPadding{8, 16, PadStyle::center}, MapCrop{4, 7, 7, 13});
  CHECK(g == MapGeometry{4, 7, 8, 16, 2, 4, 7, 13, 20});
  CHECK(g.pixels() == 28);
  CHECK(g.first() == 7 * 20 + 13);
  CHECK(g.extent() == 3 * 20 + 7);
  CHECK_FALSE(g.whole_rows());
  CHECK(map_geometry(11, 20, {}, MapCrop{4, 20, {}, {}}).whole_rows());
  CHECK(map_geometry(11, 20, {}, MapCrop{11, 20, {}, {}}) == map_geometry(11, 20, {}));
}

TEST_CASE("a crop that does not lie in the image is refused with both") {
  for (const MapCrop& crop : {MapCrop{12, 4, {}, {}}, MapCrop{4, 21, {}, {}}, MapCrop{4, 4, 8, {}},
                              MapCrop{4, 4, {}, 17}, MapCrop{4, 4, ~std::size_t{0}, {}}}) {
    CHECK_THROWS_WITH_AS(map_geometry(11, 20, {}, crop), doctest::Contains("of 11x20 pixels"),
                         DataError);
  }
}

TEST_CASE("an image is copied out of the received one row by row") {
  std::vector<std::uint16_t> received(5 * 6);
  std::iota(received.begin(), received.end(), std::uint16_t{0});
  const MapGeometry g = map_geometry(5, 6, {}, MapCrop{2, 3, 1, 2});
  std::vector<std::uint16_t> image(g.pixels());
  copy_image(reinterpret_cast<const std::byte*>(received.data() + 8), 2, g,
             reinterpret_cast<std::byte*>(image.data()));
  CHECK(image == std::vector<std::uint16_t>{8, 9, 10, 14, 15, 16});
}

TEST_CASE("a row of bits holds column c in bit c % 64 of word c / 64, and nothing behind the map") {
  std::mt19937 random(1);
  for (const std::size_t width : {1, 63, 64, 65, 130}) {
    const MapGeometry g = map_geometry(1, width, {});
    std::vector<std::uint8_t> classes(width);
    for (auto& c : classes) c = random() & 1U;
    std::vector<std::uint64_t> words(g.words(), ~std::uint64_t{0});
    store_map_row(classes.data(), g, MapFormat::bits, reinterpret_cast<std::byte*>(words.data()));
    for (std::size_t i = 0; i < 64 * g.words(); ++i) {
      const bool bit = (words[i / 64] >> (i % 64) & 1U) != 0;
      REQUIRE(bit == (i < width && classes[i] == 1));
    }
    std::vector<std::uint8_t> bytes(width, 9);
    store_map_row(classes.data(), g, MapFormat::uint8, reinterpret_cast<std::byte*>(bytes.data()));
    CHECK(bytes == classes);
  }
}
