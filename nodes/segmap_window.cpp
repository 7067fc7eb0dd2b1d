#include "nodes/segmap_window.h"

#include <fmt/format.h>

#include <cstdint>
#include <variant>

#include "graph/error.h"

namespace pnflow {

namespace {

std::size_t pixels(const Batch& batch, const char* name, std::size_t otherwise) {
  const Attribute* attribute = batch.attribute(name);
  if (attribute == nullptr) return otherwise;
  const auto* value = std::get_if<std::int64_t>(attribute);
  if (value == nullptr || *value < 0) {
    throw DataError("wrong shape", fmt::format("attribute '{}' is not a number of pixels", name));
  }
  return static_cast<std::size_t>(*value);
}

struct Size {
  std::size_t height, width;
};

// `part` at row `top`, column `left` of `whole`.
void check(const char* what, Size part, std::size_t top, std::size_t left, const char* where,
           Size whole) {
  const auto inside = [](std::size_t first, std::size_t length, std::size_t all) {
    return length <= all && first <= all - length;
  };
  if (inside(top, part.height, whole.height) && inside(left, part.width, whole.width)) return;
  throw DataError("wrong shape", fmt::format("{} of {}x{} at row {}, column {} do not lie within "
                                             "{} of {}x{} (height x width)",
                                             what, part.height, part.width, top, left, where,
                                             whole.height, whole.width));
}

}  // namespace

MapGeometry read_segmap_window(const Batch& batch, std::size_t height, std::size_t width) {
  MapGeometry g;
  g.stride = width;
  g.height = pixels(batch, "crop_height", height);
  g.width = pixels(batch, "crop_width", width);
  g.crop_top = pixels(batch, "crop_top", 0);
  g.crop_left = pixels(batch, "crop_left", 0);
  g.map_height = pixels(batch, "segmap_height", g.height);
  g.map_width = pixels(batch, "segmap_width", g.width);
  g.top = pixels(batch, "segmap_top", 0);
  g.left = pixels(batch, "segmap_left", 0);
  check("crops", {g.height, g.width}, g.crop_top, g.crop_left, "images", {height, width});
  check("images", {g.height, g.width}, g.top, g.left, "segmentation maps",
        {g.map_height, g.map_width});
  return g;
}

void write_segmap_window(Batch& batch, const MapGeometry& geometry) {
  const auto set = [&](const char* name, std::size_t value) {
    batch.set_attribute(name, static_cast<std::int64_t>(value));
  };
  set("segmap_height", geometry.map_height);
  set("segmap_width", geometry.map_width);
  set("segmap_top", geometry.top);
  set("segmap_left", geometry.left);
  set("crop_height", geometry.height);
  set("crop_width", geometry.width);
  set("crop_top", geometry.crop_top);
  set("crop_left", geometry.crop_left);
}

}  // namespace pnflow
