#include "gpu/map_geometry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "graph/error.h"

namespace pnflow {

namespace {

void apply(const MapCrop& crop, MapGeometry& geometry) {
  const auto contains = [](std::size_t whole, std::size_t first, std::size_t part) {
    return part <= whole && first <= whole - part;
  };
  const std::size_t height = std::min(crop.height, geometry.height);
  const std::size_t width = std::min(crop.width, geometry.width);
  geometry.crop_top = crop.top.value_or((geometry.height - height) / 2);
  geometry.crop_left = crop.left.value_or((geometry.width - width) / 2);
  if (!contains(geometry.height, geometry.crop_top, crop.height) ||
      !contains(geometry.width, geometry.crop_left, crop.width)) {
    throw DataError("wrong shape",
                    fmt::format("'crop' of {}x{} at row {}, column {} does not lie in images of "
                                "{}x{} pixels (height x width)",
                                crop.height, crop.width, geometry.crop_top, geometry.crop_left,
                                geometry.height, geometry.width));
  }
  geometry.height = crop.height;
  geometry.width = crop.width;
}

void apply(const MapPadding& pad, MapGeometry& geometry) {
  if (geometry.height > pad.height || geometry.width > pad.width) {
    throw DataError("wrong shape",
                    fmt::format("images of {}x{} pixels do not fit into 'pad' of {}x{} (height x "
                                "width)",
                                geometry.height, geometry.width, pad.height, pad.width));
  }
  geometry.map_height = pad.height;
  geometry.map_width = pad.width;
  if (pad.style == PadStyle::center) {
    geometry.top = (pad.height - geometry.height) / 2;
    geometry.left = (pad.width - geometry.width) / 2;
  }
}

}  // namespace

MapGeometry map_geometry(std::size_t height, std::size_t width,
                         const std::optional<MapPadding>& pad, const std::optional<MapCrop>& crop) {
  MapGeometry geometry;
  geometry.height = height;
  geometry.width = geometry.stride = width;
  if (crop) apply(*crop, geometry);
  geometry.map_height = geometry.height;
  geometry.map_width = geometry.width;
  if (pad) apply(*pad, geometry);
  return geometry;
}

void copy_image(const std::byte* from, std::size_t element_bytes, const MapGeometry& geometry,
                std::byte* to) {
  const std::size_t row = geometry.width * element_bytes;
  for (std::size_t y = 0; y < geometry.height; ++y) {
    std::memcpy(to + y * row, from + y * geometry.stride * element_bytes, row);
  }
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
