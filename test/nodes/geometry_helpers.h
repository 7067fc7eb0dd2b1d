#pragma once

#include <fmt/format.h>

#include <fstream>
#include <string>

#include "io/slab_geometry.h"
#include "test/support/scratch_directory.h"

namespace pnflow::test {

// Geometry keys of a panel whose axes are those of the laboratory, turned by nothing.
inline std::string geometry_panel(const std::string& name, int min_fs, int min_ss, int width,
                                  int height, int corner_x, int corner_y) {
  return fmt::format(
      "{0}/min_fs = {1}\n{0}/max_fs = {2}\n{0}/min_ss = {3}\n{0}/max_ss = {4}\n"
      "{0}/fs = +1.0x +0.0y\n{0}/ss = +0.0x +1.0y\n{0}/corner_x = {5}\n{0}/corner_y = {6}\n",
      name, min_fs, min_fs + width - 1, min_ss, min_ss + height - 1, corner_x, corner_y);
}

// A geometry file, gone with this object.
class GeometryFile {
 public:
  explicit GeometryFile(const std::string& text)
      : name_((directory_.path() / "test.geom").string()) {
    std::ofstream(name_) << text;
  }
  const std::string& name() const { return name_; }
  SlabGeometry read() const { return SlabGeometry(name_); }

 private:
  ScratchDirectory directory_;
  std::string name_;
};

// Two modules of 4x6 pixels, the second before and above the first, of two ASICs each with two
// columns between them: a slab of 11 rows and 10 columns. 10 pixels a metre, at 2 m.
inline std::string two_modules() {
  return "res = 10\nclen = 2\n" + geometry_panel("p0a0", 4, 7, 2, 4, 100, 0) +
         geometry_panel("p0a1", 8, 7, 2, 4, 110, 0) + geometry_panel("p1a0", 1, 2, 2, 4, 0, 50) +
         geometry_panel("p1a1", 5, 2, 2, 4, 0, -50);
}

}  // namespace pnflow::test
