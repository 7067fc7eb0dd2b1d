#include "io/crystfel_geometry.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "graph/error.h"
#include "io/crystfel_parser.h"

using namespace pnflow;

namespace {

// A panel of width x height in the slab, its corner at 0 and its axes along x and y.
std::string panel(const std::string& name, int fs, int ss, int width, int height) {
  return fmt::format(
      "{0}/min_fs = {1}\n{0}/max_fs = {2}\n{0}/min_ss = {3}\n{0}/max_ss = {4}\n"
      "{0}/fs = x\n{0}/ss = y\n{0}/corner_x = 0\n{0}/corner_y = 0\n{0}/res = 10000\n",
      name, fs, fs + width - 1, ss, ss + height - 1);
}

CrystfelGeometry parse(const std::string& text) { return parse_crystfel_geometry(text, "t.geom"); }

std::vector<std::string> names_of(const std::vector<GeometryModule>& modules) {
  std::vector<std::string> names;
  for (const GeometryModule& module : modules) names.push_back(module.name);
  return names;
}

}  // namespace

TEST_CASE("a pixel of the slab belongs to the panel whose range has it") {
  const auto geometry = parse(panel("a", 0, 0, 4, 3) + panel("b", 6, 0, 4, 3));
  CHECK(geometry.panel_at(0, 0) == 0);
  CHECK(geometry.panel_at(2, 3) == 0);
  CHECK_FALSE(geometry.panel_at(2, 4));  // the gap
  CHECK_FALSE(geometry.panel_at(3, 0));
  CHECK(geometry.panel_at(0, 6) == 1);
  CHECK_FALSE(geometry.panel_at(0, 10));
  CHECK(geometry.find("b") == 1);
  CHECK_FALSE(geometry.find("c"));
}

TEST_CASE("a point lies half a pixel from the corner of its pixel, in metres") {
  auto geometry = parse("clen = 100 mm\ncoffset = 0.002\n" + panel("a", 8, 4, 4, 3) +
                        "a/corner_x = -3.5\na/corner_y = 2\n"
                        "a/fs = -0.5y + 0.25z\na/ss = 2x\na/res = 1000\n");
  const LabVector first = geometry.position(0, 0, 0);
  CHECK(first.x == doctest::Approx((-3.5 + 0.5 * 2) / 1000));
  CHECK(first.y == doctest::Approx((2 - 0.5 * 0.5) / 1000));
  CHECK(first.z == doctest::Approx(0.102 + 0.5 * 0.25 / 1000));
  const LabVector corner = geometry.position(0, -0.5, -0.5);
  CHECK(corner.x == -3.5 / 1000);
  CHECK(corner.y == 2.0 / 1000);
  CHECK(corner.z == doctest::Approx(0.102));
  const LabVector point = geometry.position(0, 1.25, 2.5, 0.5);
  CHECK(point.x == doctest::Approx((-3.5 + 3.0 * 2) / 1000));
  CHECK(point.y == doctest::Approx((2 - 1.75 * 0.5) / 1000));
  CHECK(point.z == doctest::Approx(0.502 + 1.75 * 0.25 / 1000));
}

TEST_CASE("a camera length in the data file makes z unknown, a detector shift counts") {
  const auto geometry =
      parse("clen = /encoder\ndetector_shift_x = 1 mm\ndetector_shift_y = -0.25\n" +
            panel("a", 0, 0, 4, 3));
  const LabVector point = geometry.position(0, -0.5, -0.5);
  CHECK(point.x == doctest::Approx(1e-3));
  CHECK(point.y == -0.25);
  CHECK(std::isnan(point.z));
  CHECK(geometry.position(0, -0.5, -0.5, 0.25).z == 0.25);
}

TEST_CASE("a module has its ASICs' panels and their whole range") {
  const auto geometry = parse(panel("p0a0", 0, 0, 4, 3) + panel("p0a1", 5, 0, 4, 3) +
                              panel("p1a0", 0, 6, 2, 2) + panel("p0a2", 0, 3, 9, 2));
  const auto modules = geometry.modules();
  REQUIRE(names_of(modules) == std::vector<std::string>{"p0", "p1"});
  CHECK(modules[0].panels == std::vector<std::size_t>{0, 1, 3});
  CHECK(modules[0].range.width() == 9);
  CHECK(modules[0].range.height() == 5);
  CHECK(modules[1].panels == std::vector<std::size_t>{2});

  const SlabPixel pixel = slab_pixel(modules, 1, 1, 0);
  CHECK(pixel.ss == 7);
  CHECK(pixel.fs == 0);
  CHECK(geometry.panel_at(pixel.ss, pixel.fs) == 2);
  CHECK_THROWS_WITH_AS(require_modules(modules, "t.geom", 3, 5, 9),
                       "t.geom: the geometry has 2 modules; the images have 3 panels", RunError);
  CHECK_THROWS_WITH_AS(
      require_modules(modules, "t.geom", 2, 5, 9),
      "t.geom: module 'p1' is 2x2 (fs 0..1, ss 6..7); the panels of the images are 5x9", RunError);
  CHECK_NOTHROW(require_modules({modules[0]}, "t.geom", 1, 5, 9));
}

TEST_CASE("modules are in the order of their numbers, or else of the file") {
  const auto order = [](const std::vector<std::string>& names) {
    std::string text;
    int ss = 0;
    for (const std::string& name : names) text += panel(name, 0, 2 * ss++, 3, 2);
    return names_of(parse(text).modules());
  };
  using Names = std::vector<std::string>;
  CHECK(order({"p10a0", "p9a1", "p9a0", "p2a0"}) == Names{"p2", "p9", "p10"});
  CHECK(order({"m02", "m1", "m00"}) == Names{"m00", "m1", "m02"});
  CHECK(order({"p1", "p01"}) == Names{"p1", "p01"});
  CHECK(order({"top", "asic2", "asic1"}) == Names{"top", "asic2", "asic1"});
  CHECK(order({"a1", "a0"}) == Names{"a0", "a1"});
  CHECK(order({"1", "0"}) == Names{"0", "1"});
  CHECK(order({"data1", "data0"}) == Names{"data0", "data1"});
  CHECK(order({"whole"}) == Names{"whole"});
}

TEST_CASE("panels that are no slab, and modules that overlap, have no modules") {
  const std::string two = panel("p0", 0, 0, 4, 3) + panel("p1", 0, 3, 4, 3);
  CHECK_THROWS_WITH_AS(parse(two + "p1/data = /b\n").modules(),
                       "t.geom: panels 'p0' and 'p1' are in different data sets, /data/data and "
                       "/b; expected one image that holds all panels",
                       RunError);
  const std::string stacked = "dim0 = %\ndim1 = 0\ndim2 = ss\ndim3 = fs\n";
  CHECK(parse(stacked + two).modules().size() == 2);
  CHECK_THROWS_WITH_AS(parse(stacked + two + "p1/dim1 = 1\n").modules(),
                       "t.geom: panels 'p0' and 'p1' are in different places of the data set "
                       "/data/data (dim0, dim1, ...); expected one image that holds all panels",
                       RunError);
  CHECK_THROWS_WITH_AS(
      parse(panel("p0a0", 0, 0, 4, 3) + panel("p1a0", 0, 3, 4, 3) + panel("p0a1", 0, 6, 4, 3))
          .modules(),
      "t.geom: the modules 'p0' (fs 0..3, ss 0..8) and 'p1' (fs 0..3, ss 3..5) overlap; expected "
      "panels of a module side by side",
      RunError);
}

TEST_CASE("the geometry of an ePix10k2M has the streamed panels as modules") {
  const auto geometry = load_crystfel_geometry(PNFLOW_TEST_DATA "/bragg/detector.geom");
  CHECK(geometry.panels.size() == 64);
  CHECK(geometry.clen->value == 0.12);
  const auto modules = geometry.modules();
  REQUIRE_NOTHROW(require_modules(modules, geometry.file, 16, 352, 384));
  for (std::size_t i = 0; i < modules.size(); ++i) {
    CHECK(modules[i].name == fmt::format("p{}", i));
    CHECK(modules[i].panels.size() == 4);
    const SlabPixel last = slab_pixel(modules, i, 351, 383);
    CHECK(last.ss == 352 * i + 351);
    CHECK(last.fs == 383);
    CHECK(geometry.panel_at(last.ss, last.fs) == geometry.find(modules[i].name + "a3"));
  }
}
