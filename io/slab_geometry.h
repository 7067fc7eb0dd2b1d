#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "io/crystfel_geometry.h"

namespace pnflow {

// A CrystFEL geometry file as a node works with it: its modules, and the slab that holds them, the
// one image in which all panels lie. Safe to read from any number of threads.
struct SlabGeometry {
  // Throws RunError: what load_crystfel_geometry() and CrystfelGeometry::modules() throw.
  explicit SlabGeometry(const std::string& file);

  std::string text;  // of the file
  CrystfelGeometry geometry;
  std::vector<GeometryModule> modules;
  std::size_t rows = 0, columns = 0;

  // The sample's distance [m]: the geometry's own, or where that names a place in the data file,
  // the encoder's reading in the unit that the geometry says. NaN where it is not known.
  double camera_length(std::optional<double> encoder) const;
  // Of all events, in eV, where the geometry says it (or a wavelength) as a number.
  std::optional<double> photon_energy() const;
};

}  // namespace pnflow
