// Input: a CrystFEL geometry file.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "graph/error.h"
#include "io/crystfel_parser.h"

namespace {

using namespace pnflow;

// What holds for every geometry that is read without a fault.
void use(const CrystfelGeometry& geometry) {
  for (std::size_t i = 0; i < geometry.panels.size(); ++i) {
    const GeometryPanel& panel = geometry.panels[i];
    if (panel.range.width() == 0 || panel.range.height() == 0 || !(panel.res > 0)) std::abort();
    if (geometry.find(panel.name) != i) std::abort();
    if (!geometry.panel_at(panel.range.max_ss, panel.range.max_fs)) std::abort();
    geometry.position(i, 0, 0);
  }
  for (const BadRegion& bad : geometry.bad_regions) {
    if (bad.panel && !geometry.panels.at(*bad.panel).range.contains(bad.range)) std::abort();
  }
  std::size_t panels = 0;
  for (const GeometryModule& module : geometry.modules()) {
    panels += module.panels.size();
    for (const std::size_t panel : module.panels) {
      if (!module.range.contains(geometry.panels.at(panel).range)) std::abort();
    }
  }
  if (panels != geometry.panels.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    use(parse_crystfel_geometry({reinterpret_cast<const char*>(data), size}, "fuzz.geom"));
  } catch (const RunError&) {  // a fault of the file
  }
  return 0;
}
