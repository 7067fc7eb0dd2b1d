#include "nodes/peak_splitter.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "segmap_helpers.h"

namespace pnflow {
namespace {

using test::TestMap;

constexpr float no_number = std::numeric_limits<float>::quiet_NaN();

// The parts of a component as a picture, 'a' the first one; the component are all pixels above 0
// and those that are no number.
std::vector<std::string> parts_of(std::size_t width, const std::vector<float>& image,
                                  double depth = 0.5,
                                  Connectivity connectivity = Connectivity::eight,
                                  PeakProperties whole = {}) {
  TestMap map(image.size() / width, width);
  for (std::size_t i = 0; i < image.size(); ++i) map.pixels[i] = !(image[i] <= 0);
  ConnectedComponents components;
  components.label_bytes(map.pixels, map.height, width, connectivity);
  REQUIRE(components.components().size() == 1);
  const PanelPixels panel{.dtype = DType::f32,
                          .pixels = reinterpret_cast<const std::byte*>(image.data()),
                          .height = map.height,
                          .width = width,
                          .stride = width};
  PeakSplitter splitter;
  splitter.split(components.runs_of(0), panel, connectivity, whole, depth);
  std::vector<std::string> picture(map.height, std::string(width, '.'));
  std::int64_t pixels = 0;
  for (std::size_t i = 0; i < splitter.parts().size(); ++i) {
    for (const PixelRun& run : splitter.runs_of(i)) {
      for (auto x = run.begin; x < run.end; ++x) {
        char& drawn = picture[static_cast<std::size_t>(run.row)][static_cast<std::size_t>(x)];
        CHECK(drawn == '.');
        drawn = static_cast<char>('a' + i);
      }
    }
    pixels += splitter.parts()[i].npix;
  }
  CHECK(pixels == components.components()[0].npix);
  return picture;
}

using Picture = std::vector<std::string>;

TEST_CASE("two maxima with a valley between them are two parts, each pixel at its brightest side") {
  CHECK(parts_of(7, {1, 9, 3, 2, 4, 8, 1,  //
                     1, 5, 2, 1, 2, 5, 0}) == Picture{"aaabbbb", "aaabbb."});
}

TEST_CASE("the valley has to be as deep as the depth, of the lower maximum above the background") {
  const std::vector<float> image{20, 6, 10};  // falls by 4 of 10
  CHECK(parts_of(3, image, 0.4) == Picture{"aab"});
  CHECK(parts_of(3, image, 0.41) == Picture{"aaa"});
  const PeakProperties whole{.background = 4};  // by 4 of 6
  CHECK(parts_of(3, image, 0.66, Connectivity::eight, whole) == Picture{"aab"});
  CHECK(parts_of(3, image, 0.67, Connectivity::eight, whole) == Picture{"aaa"});
}

TEST_CASE("a valley of less than three sigma is noise") {
  const std::vector<float> image{20, 6, 10};
  const auto noise = [](double sigma) {
    PeakProperties whole;
    whole.sigma = sigma;
    return whole;
  };
  CHECK(parts_of(3, image, 0, Connectivity::eight, noise(4.0 / 3)) == Picture{"aab"});
  CHECK(parts_of(3, image, 0, Connectivity::eight, noise(1.34)) == Picture{"aaa"});
}

TEST_CASE("a plateau is one part, even where nothing has to be deep") {
  CHECK(parts_of(3,
                 {5, 0, 5,  //
                  5, 5, 5},
                 0) == Picture{"a.a", "aaa"});
}

TEST_CASE("of equal maxima the first one in raster order is the higher one") {
  CHECK(parts_of(5, {3, 9, 1, 9, 3}) == Picture{"aaabb"});
}

TEST_CASE("a shallow part goes to the highest part at its saddle") {
  CHECK(parts_of(5, {30, 8, 9, 2, 20}) == Picture{"aaabb"});
}

TEST_CASE("pixels that are no number divide nothing") {
  CHECK(parts_of(3, {9, no_number, 9}) == Picture{"aaa"});
  CHECK(parts_of(3, {no_number, no_number, 9}) == Picture{"aaa"});
  CHECK(parts_of(2, {no_number, no_number}) == Picture{"aa"});
}

TEST_CASE("neighbours are those of the components") {
  const std::vector<float> image{9, 1, 0,  //
                                 1, 1, 1,  //
                                 0, 1, 9};
  CHECK(parts_of(3, image) == Picture{"aa.", "aab", ".bb"});
  // The corner at the right joins the pixel above it, which came before the one below.
  CHECK(parts_of(3, image, 0.5, Connectivity::four) == Picture{"aa.", "aab", ".bb"});
  CHECK(parts_of(2, {9, 1,  //
                     1, 9}) == Picture{"aa", "aa"});
  CHECK(parts_of(2,
                 {9, 1,  //
                  1, 9},
                 0.5, Connectivity::four) == Picture{"aa", "ab"});
}

TEST_CASE("parts are numbered by their first pixels, whatever their brightness") {
  CHECK(parts_of(5, {1, 5, 1, 50, 1}) == Picture{"aabbb"});
}

TEST_CASE("a splitter serves one component after the other, and gives memory back") {
  const std::vector<float> image(1000, 1.0F);
  ConnectedComponents components;
  components.label_bytes(std::vector<std::uint8_t>(1000, 1), 10, 100, Connectivity::eight);
  const PanelPixels panel{.dtype = DType::f32,
                          .pixels = reinterpret_cast<const std::byte*>(image.data()),
                          .height = 10,
                          .width = 100,
                          .stride = 100};
  PeakSplitter splitter;
  for (int i = 0; i < 3; ++i) {
    splitter.split(components.runs_of(0), panel, Connectivity::eight, {}, 0.5);
    CHECK(splitter.parts().size() == 1);
    CHECK(splitter.runs_of(0).size() == 10);
    if (i == 1) splitter.trim(100);
  }
}

}  // namespace
}  // namespace pnflow
