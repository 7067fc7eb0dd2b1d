// What a picture of an event is made of: colours, the grid of panels, the PNG file.

#include <doctest/doctest.h>
#include <png.h>

#include <algorithm>
#include <string>
#include <vector>

#include "graph/error.h"
#include "io/colour_scale.h"
#include "io/panel_grid.h"
#include "io/png_file.h"
#include "test/support/scratch_directory.h"

namespace pnflow {
namespace {

double brightness(Rgb colour) { return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]; }

TEST_CASE("a larger value is never darker, and the ends of the scale have the ends of the map") {
  for (const ColourMap map : {ColourMap::viridis, ColourMap::grey}) {
    std::vector<double> values;
    for (int i = 0; i < 1000; ++i) values.push_back(10 + i % 7);
    values.push_back(5000);
    const ColourScale scale(values, map);
    CHECK(scale.low() == 10);
    CHECK(scale.high() == 5000);
    double last = -1;
    for (double value = 0; value < 6000; value += 0.5) {
      const double now = brightness(scale(value));
      CHECK(now > last - 0.6);  // each channel is rounded
      last = std::max(last, now);
    }
    CHECK(scale(0) == scale(10));
    CHECK(scale(5000) == scale(1e9));
    CHECK(brightness(scale(5000)) > 200);
    CHECK(brightness(scale(10)) < 40);
    // The noise keeps to the dark part, a spot of a hundred stands out.
    CHECK(brightness(scale(16)) < 0.5 * brightness(scale(5000)));
    CHECK(brightness(scale(100)) > 1.3 * brightness(scale(16)));
  }
}

TEST_CASE("no values, equal values and a flat background have a scale too") {
  CHECK(ColourScale({}, ColourMap::grey)(7) == Rgb{0, 0, 0});
  std::vector<double> equal(9, -3.0);
  CHECK(ColourScale(equal, ColourMap::grey)(-3) == Rgb{0, 0, 0});
  std::vector<double> flat(1000, 0.0);
  flat[17] = 1;
  const ColourScale scale(flat, ColourMap::grey);
  CHECK(scale(0) == Rgb{0, 0, 0});
  CHECK(scale(1) == Rgb{255, 255, 255});
  CHECK(scale(0.5)[0] > 128);
}

TEST_CASE("panels make a picture that is nearly square") {
  CHECK(near_square_columns(16, 352, 384) == 4);
  CHECK(near_square_columns(4, 176, 192) == 2);
  CHECK(near_square_columns(8, 512, 1024) == 2);
  CHECK(near_square_columns(1, 85, 93) == 1);
  CHECK(near_square_columns(7, 10, 10) == 3);
  CHECK(near_square_columns(5, 1000, 10) == 5);
  const PanelGrid grid{.panels = 5, .height = 10, .width = 20, .columns = 2, .gap = 2};
  CHECK(grid.rows() == 3);
  CHECK(grid.picture_width() == 42);
  CHECK(grid.picture_height() == 34);
  CHECK(grid.left(3) == 22);
  CHECK(grid.top(3) == 12);
  CHECK(grid.left(4) == 0);
}

TEST_CASE("a PNG file has the pixels that were set") {
  const test::ScratchDirectory directory;
  const std::string path = directory.path() / "a.png";
  PngFile picture(7, 5, {1, 2, 3});
  picture.fill(5, 3, 4, {200, 100, 50});  // cut at the right and at the bottom
  picture.set(0, 4, {9, 8, 7});
  picture.set(-1, 0, {99, 99, 99});
  picture.set(0, 5, {99, 99, 99});
  picture.write(path);

  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_file(&image, path.c_str()) != 0);
  REQUIRE(image.width == 7);
  REQUIRE(image.height == 5);
  CHECK(image.format == PNG_FORMAT_RGB);
  std::vector<Rgb> pixels(35);
  REQUIRE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) != 0);
  std::vector<Rgb> expected(35, Rgb{1, 2, 3});
  for (const std::size_t i : {26U, 27U, 33U, 34U}) expected[i] = {200, 100, 50};
  expected[28] = {9, 8, 7};
  CHECK(pixels == expected);
}

TEST_CASE("a picture that cannot be is refused, one that cannot be written is named") {
  CHECK_THROWS_AS(PngFile(0, 5, {}), RunError);
  CHECK_THROWS_AS(PngFile(std::size_t{1} << 21U, 5, {}), RunError);
  CHECK_THROWS_WITH_AS(PngFile(1, 1, {}).write("/no/such/place.png"),
                       doctest::Contains("/no/such/place.png"), RunError);
}

}  // namespace
}  // namespace pnflow
