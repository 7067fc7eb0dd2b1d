// Input: whether our files have a mask, and a CrystFEL geometry file, which is rewritten for them.

#include "io/crystfel_for_cxi.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "graph/error.h"
#include "io/crystfel_parser.h"
#include "io/cxi_datasets.h"

namespace {

using namespace pnflow;

// What the files have is said of every panel, and nothing of what they do not have.
void check_places(const GeometryPanel& panel, bool mask) {
  const std::vector<DataAxis> axes = {
      {DataAxis::Kind::event, 0}, {DataAxis::Kind::ss, 0}, {DataAxis::Kind::fs, 0}};
  if (panel.data != cxi_path::data || panel.dims != axes) std::abort();
  int ours = 0;
  for (const GeometryMask& known : panel.masks) {
    if (known.data.empty() || !known.file.empty()) continue;
    if (known.data != cxi_path::mask) std::abort();
    ++ours;
  }
  if (ours != (mask ? 1 : 0)) std::abort();
  if (!panel.saturation_map.empty() && panel.saturation_map_file.empty()) std::abort();
}

// Where the panels are stays as it was.
void check_panels(const CrystfelGeometry& before, const CrystfelGeometry& after, bool mask) {
  if (before.panels.size() != after.panels.size()) std::abort();
  if (before.bad_regions.size() != after.bad_regions.size()) std::abort();
  if (before.groups.size() != after.groups.size()) std::abort();
  for (std::size_t i = 0; i < before.panels.size(); ++i) {
    const GeometryPanel &a = before.panels[i], &b = after.panels[i];
    if (a.name != b.name || a.res != b.res || a.coffset != b.coffset) std::abort();
    if (!a.range.contains(b.range) || !b.range.contains(a.range)) std::abort();
    check_places(b, mask);
  }
}

void rewrite(std::string_view text, bool mask) {
  const CrystfelGeometry geometry = parse_crystfel_geometry(text, "fuzz.geom");
  const std::string ours = crystfel_for_cxi(text, geometry, mask);
  CrystfelGeometry after;
  try {
    after = parse_crystfel_geometry(ours, "ours.geom");
  } catch (const RunError&) {  // of a text that was good
    std::abort();
  }
  check_panels(geometry, after, mask);
  if (!mask && crystfel_for_cxi(ours, after, false) != ours) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    rewrite({reinterpret_cast<const char*>(data + 1), size - 1}, data[0] % 2 != 0);
  } catch (const RunError&) {  // a fault of the file
  }
  return 0;
}
