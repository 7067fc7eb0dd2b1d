#include "gpu/map_geometry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "graph/error.h"

namespace pnflow {

MapGeometry map_geometry(std::size_t height, std::size_t width,
                         const std::optional<MapPadding>& pad) {
  MapGeometry geometry{height, width, height, width, 0, 0};
  if (!pad) return geometry;
  if (height > pad->height || width > pad->width) {
    throw DataError("wrong shape",
                    fmt::format("images of {}x{} pixels do not fit into 'pad' of {}x{} (height x "
                                "width)",
                                height, width, pad->height, pad->width));
  }
  geometry.map_height = pad->height;
  geometry.map_width = pad->width;
  if (pad->style == PadStyle::center) {
    geometry.top = (pad->height - height) / 2;
    geometry.left = (pad->width - width) / 2;
  }
  return geometry;
}

void store_map_row(const std::uint8_t* classes, const MapGeometry& geometry, MapFormat format,
                   std::byte* row) {
  if (format == MapFormat::uint8) {
    std::memcpy(row, classes, geometry.map_width);
    return;
  }
  for (std::size_t first = 0; first < geometry.map_width; first += 64) {
    const std::size_t count = std::min<std::size_t>(64, geometry.map_width - first);
    std::uint64_t word = 0;
    for (std::size_t bit = 0; bit < count; ++bit) {
      word |= std::uint64_t{classes[first + bit]} << bit;
    }
    std::memcpy(row + first / 8, &word, sizeof word);
  }
}

}  // namespace pnflow
