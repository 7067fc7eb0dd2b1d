#include "io/slab_geometry.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>

#include "graph/error.h"
#include "io/resolution.h"
#include "test/support/scratch_directory.h"

using namespace pnflow;

namespace {

SlabGeometry read(const std::string& keys) {
  const test::ScratchDirectory directory;
  const auto file = directory.path() / "test.geom";
  std::ofstream(file) << "res = 10000\n"
                      << keys
                      << "p0/min_fs = 3\np0/max_fs = 9\np0/min_ss = 2\np0/max_ss = 11\n"
                         "p0/fs = +1.0x +0.0y\np0/ss = +0.0x +1.0y\n"
                         "p0/corner_x = 0\np0/corner_y = 0\n";
  return SlabGeometry(file.string());
}

}  // namespace

TEST_CASE("the slab begins at 0 and ends with the last pixel of a module") {
  const SlabGeometry geometry = read("");
  CHECK(geometry.rows == 12);
  CHECK(geometry.columns == 10);
  CHECK_THROWS_AS(SlabGeometry("/there/is/none.geom"), RunError);
}

TEST_CASE("a camera length is the geometry's, or the encoder's in the geometry's unit") {
  CHECK(read("clen = 0.1 m\n").camera_length(300) == 0.1);
  CHECK(read("clen = /x mm\n").camera_length(300) == doctest::Approx(0.3));
  CHECK(read("clen = /x m\n").camera_length(0.0) == 0);
  CHECK(std::isnan(read("clen = /x mm\n").camera_length(std::nullopt)));
  CHECK(std::isnan(read("").camera_length(300)));
}

TEST_CASE("a photon energy is one of all events when it is a number") {
  CHECK(read("photon_energy = 9.5 keV\n").photon_energy() == doctest::Approx(9500));
  CHECK(read("wavelength = 1.3 A\n").photon_energy().value() == doctest::Approx(12398.4193 / 1.3));
  CHECK_FALSE(read("photon_energy = /x eV\n").photon_energy());
  CHECK_FALSE(read("").photon_energy());
}

TEST_CASE("a resolution is that of the angle to the beam") {
  const double wavelength = 0.13;  // nm
  const double energy = 1239.84193 / wavelength;
  CHECK(inverse_resolution({0, 0, 0.1}, energy) == 0);
  CHECK(inverse_resolution({0.1, 0, 0.1}, energy) ==
        doctest::Approx(2 * std::sin(std::acos(-1) / 8) / wavelength));
  CHECK(inverse_resolution({0, -0.2, 0}, energy) == doctest::Approx(std::sqrt(2) / wavelength));
  CHECK(std::isnan(inverse_resolution({0.1, 0, NAN}, energy)));
  CHECK(std::isnan(inverse_resolution({0.1, 0, 0.1}, 0)));
}
