#include "io/slab_geometry.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "graph/error.h"
#include "graph/text_file.h"
#include "io/crystfel_parser.h"
#include "io/timestamps.h"

namespace pnflow {
namespace {

std::string text_of(const std::string& file) {
  auto text = read_text_file(file);
  if (!text) throw RunError(fmt::format("cannot read the geometry '{}'", file));
  return *std::move(text);
}

}  // namespace

SlabGeometry::SlabGeometry(const std::string& file)
    : text(text_of(file)),
      geometry(parse_crystfel_geometry(text, file)),
      modules(geometry.modules()) {
  for (const GeometryModule& module : modules) {
    rows = std::max(rows, module.range.max_ss + 1);
    columns = std::max(columns, module.range.max_fs + 1);
  }
}

double SlabGeometry::camera_length(std::optional<double> encoder) const {
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  if (!geometry.clen) return unknown;
  if (geometry.clen->value) return *geometry.clen->value;
  return encoder ? *encoder * geometry.clen->scale : unknown;
}

std::optional<double> SlabGeometry::photon_energy() const {
  constexpr double angstrom = 1e-10;  // m
  if (geometry.photon_energy && geometry.photon_energy->value) return geometry.photon_energy->value;
  if (!geometry.wavelength || !geometry.wavelength->value) return {};
  return photon_energy_ev(*geometry.wavelength->value / angstrom);
}

}  // namespace pnflow
