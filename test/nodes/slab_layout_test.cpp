#include "nodes/slab_layout.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "graph/error.h"
#include "test/nodes/geometry_helpers.h"

using namespace pnflow;
using test::GeometryFile;

namespace {

template <class T>
Array counted(const Shape& shape) {
  MutableArray array(*heap_pool(), dtype_of<T>, shape);
  std::iota(array.as<T>().begin(), array.as<T>().end(), T{1});
  return std::move(array).freeze();
}

template <class T>
void check_places() {
  const SlabGeometry geometry = GeometryFile(test::two_modules()).read();
  const SlabLayout layout(geometry, {2, 4, 6});
  const Array slab = layout.to_slab(counted<T>({2, 4, 6}), 99);
  REQUIRE(slab.shape() == Shape{11, 10});
  for (std::size_t row = 0; row < 11; ++row) {
    for (std::size_t column = 0; column < 10; ++column) {
      T expected = 99;
      if (row >= 7 && column >= 4) expected = static_cast<T>(1 + (row - 7) * 6 + column - 4);
      if (row >= 2 && row < 6 && column >= 1 && column < 7) {
        expected = static_cast<T>(25 + (row - 2) * 6 + column - 1);
      }
      REQUIRE(slab.as<T>()[row * 10 + column] == expected);
    }
  }
}

}  // namespace

TEST_CASE("images of modules lie at their ranges in the slab") {
  check_places<std::uint8_t>();
  check_places<std::uint16_t>();
  check_places<float>();
  check_places<double>();
}

TEST_CASE("a slab is taken apart as it was put together, and has gaps where nothing was") {
  const SlabGeometry geometry = GeometryFile(test::two_modules()).read();
  const SlabLayout layout(geometry, {2, 4, 6});
  const Array panels = counted<std::uint8_t>({2, 4, 6});
  const Array again = layout.to_panels(layout.to_slab(panels));
  CHECK(again.shape() == Shape{2, 4, 6});
  CHECK(std::ranges::equal(again.raw(), panels.raw()));
  CHECK(layout.has_gaps());
  const Array gaps = layout.gaps();
  CHECK(std::ranges::count(gaps.as<std::uint8_t>(), 0) == 48);
  CHECK(std::ranges::count(gaps.as<std::uint8_t>(), 1) == 110 - 48);
}

TEST_CASE("images that are the slab, or stacked as they come, are not copied") {
  const SlabGeometry geometry = GeometryFile(test::two_modules()).read();
  for (const Shape& shape : {Shape{11, 10}, Shape{1, 11, 10}}) {
    const SlabLayout layout(geometry, shape);
    const Array image = counted<std::uint16_t>(shape);
    CHECK(layout.in_place());
    CHECK(layout.to_slab(image).storage() == image.storage());
    CHECK(layout.to_panels(counted<std::uint8_t>(shape)).shape() == Shape{1, 11, 10});
  }
  const GeometryFile stacked("res = 10\n" + test::geometry_panel("p0", 0, 0, 6, 4, 0, 0) +
                             test::geometry_panel("p1", 0, 4, 6, 4, 0, 0));
  const SlabGeometry as_they_come = stacked.read();
  const SlabLayout layout(as_they_come, {2, 4, 6});
  CHECK(layout.in_place());
  CHECK_FALSE(layout.has_gaps());
  CHECK(layout.first_pixel(1).ss == 4);
}

TEST_CASE("a stack of modules that the geometry has in another order is not as it comes") {
  const GeometryFile turned("res = 10\n" + test::geometry_panel("p1", 0, 0, 6, 4, 0, 0) +
                            test::geometry_panel("p0", 0, 4, 6, 4, 0, 0));
  const SlabGeometry geometry = turned.read();
  const SlabLayout layout(geometry, {2, 4, 6});
  CHECK_FALSE(layout.in_place());
  CHECK_FALSE(layout.has_gaps());
  CHECK(layout.first_pixel(0).ss == 4);
  CHECK(layout.to_slab(counted<std::uint16_t>({2, 4, 6})).as<std::uint16_t>()[0] == 25);
}

TEST_CASE("a position is on the panel that has its pixel, up to the module's outer edges") {
  const SlabGeometry geometry = GeometryFile(test::two_modules()).read();
  const SlabLayout layout(geometry, {2, 4, 6});
  const auto x = [&](std::size_t panel, double row, double column) {
    const auto place = layout.position(panel, row, column, 2);
    return place ? place->x : NAN;
  };
  CHECK(x(0, 7, 4) == doctest::Approx(10.05));
  CHECK(x(0, 6.5, 3.5) == doctest::Approx(10.0));
  CHECK(x(0, 10.5, 9.5) == doctest::Approx(11.2));  // the last pixel's outer edge
  CHECK(x(0, 7, 5.4) == doctest::Approx(10.19));
  CHECK(std::isnan(x(0, 7, 6)));  // between the ASICs
  CHECK(std::isnan(x(0, 7, 5.5)));
  CHECK(x(0, 7, 7.5) == doctest::Approx(11.0));
  CHECK(layout.position(1, 2, 5, 2)->y == doctest::Approx(-4.95));
  CHECK(layout.position(1, 2, 5, 2)->z == 2);
  CHECK(std::isnan(layout.position(1, 2, 5, NAN)->z));
}

TEST_CASE("images that do not fit are refused with both shapes") {
  const SlabGeometry geometry = GeometryFile(test::two_modules()).read();
  const auto said = [&](const Shape& shape) {
    try {
      const SlabLayout layout(geometry, shape);
    } catch (const DataError& error) {
      CHECK(error.reason() == "wrong shape");
      return std::string(error.detail());
    }
    return std::string();
  };
  CHECK(
      said({10, 11}).ends_with("2 modules lie in 11x10 pixels (rows x columns); the images are "
                               "10x11"));
  CHECK(said({3, 4, 6}).ends_with("the geometry has 2 modules; the images have 3 panels"));
  CHECK(
      said({2, 6, 4}).ends_with("module 'p0' is 4x6 (fs 4..9, ss 7..10); the panels of the images "
                                "are 6x4"));
}
