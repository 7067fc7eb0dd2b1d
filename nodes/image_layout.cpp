#include "nodes/image_layout.h"

#include <fmt/format.h>

#include <cstring>

#include "graph/error.h"

namespace pnflow {
namespace {

[[noreturn]] void wrong_shape(const std::string& name, const Shape& stored,
                              const std::string& what) {
  throw DataError("wrong shape", fmt::format("{} is {}: {}", name, to_string(stored), what));
}

// An event's shape with its panels spelled out: what is (H, W) has one.
struct Geometry {
  std::size_t panels = 1, height = 0, width = 0;
  friend bool operator==(const Geometry&, const Geometry&) = default;
};

Geometry geometry_of(std::span<const std::size_t> event_shape) {
  const std::size_t rank = event_shape.size();
  return {rank == 3 ? event_shape[0] : 1, event_shape[rank - 2], event_shape[rank - 1]};
}

// What the message, or else the configuration, says of an event without padding.
std::optional<Geometry> known_geometry(const std::string& name, const Shape& stored,
                                       const ImageLayoutRequest& request) {
  std::optional<Geometry> wanted, original;
  if (!request.wanted.empty()) wanted = geometry_of(request.wanted);
  if (request.original) {
    const std::size_t rank = request.original->size();
    if (rank != 3 && rank != 4) {
      wrong_shape(name, stored, fmt::format("its original shape has {} numbers, not 3 or 4", rank));
    }
    original = geometry_of(std::span(*request.original).subspan(1));
  }
  if (wanted && original && *wanted != *original) {
    wrong_shape(name, stored,
                fmt::format("the message's original shape is {}, the configured 'shape' {}",
                            to_string(*request.original), to_string(request.wanted)));
  }
  return original ? original : wanted;
}

}  // namespace

ImageLayout layout_images(const std::string& name, const Shape& stored,
                          const ImageLayoutRequest& request) {
  if (stored.size() != 3 && stored.size() != 4) {
    wrong_shape(name, stored, "an image field has 3 or 4 axes: (B,H,W) or (B,C,H,W)");
  }
  if (stored[0] == 0)
    throw DataError("no events", fmt::format("{} is {}", name, to_string(stored)));
  for (const std::size_t extent : stored) {
    if (extent == 0) wrong_shape(name, stored, "images without pixels");
  }
  const auto known = known_geometry(name, stored, request);
  const Geometry entry = geometry_of(std::span(stored).subspan(1));

  ImageLayout layout;
  layout.images = entry.panels;
  layout.padded_height = layout.height = entry.height;
  layout.padded_width = layout.width = entry.width;
  // Panels merged into the first axis: each entry is one image of an event that has several.
  const bool merged = known && entry.panels == 1 && known->panels > 1;
  if (merged) layout.entries = known->panels;
  if (known && !merged && entry.panels != known->panels) {
    wrong_shape(name, stored, fmt::format("{} panels, not {}", entry.panels, known->panels));
  }
  if (stored[0] % layout.entries != 0) {
    wrong_shape(name, stored, fmt::format("not a multiple of {} panels", layout.entries));
  }
  layout.events = stored[0] / layout.entries;
  if (request.original && request.original->front() != layout.events) {
    wrong_shape(name, stored,
                fmt::format("{} events, its original shape {} says otherwise", layout.events,
                            to_string(*request.original)));
  }

  if (request.padding != ProducerPadding::none) {
    if (!known) {
      throw DataError(
          "no original shape",
          fmt::format("{} is {}: its padding cannot be undone, because the message has no "
                      "original shape and no 'shape' is configured",
                      name, to_string(stored)));
    }
    if (known->height > entry.height || known->width > entry.width) {
      wrong_shape(
          name, stored,
          fmt::format("smaller than images of {}x{} without padding", known->height, known->width));
    }
    layout.height = known->height;
    layout.width = known->width;
    if (request.padding == ProducerPadding::center) {
      layout.top = (entry.height - known->height) / 2;
      layout.left = (entry.width - known->width) / 2;
    }
  } else if (!request.wanted.empty() &&
             (known->height != entry.height || known->width != entry.width)) {
    wrong_shape(name, stored,
                fmt::format("an event is not {}, as 'shape' asks for", to_string(request.wanted)));
  }

  const bool with_panels = request.wanted.empty() ? stored.size() == 4 : request.wanted.size() == 3;
  layout.event_shape = {layout.height, layout.width};
  if (with_panels) {
    layout.event_shape.insert(layout.event_shape.begin(), layout.entries * layout.images);
  }
  return layout;
}

void ImageLayout::crop(std::span<const std::byte> stored, std::span<std::byte> out,
                       std::size_t element_bytes) const {
  const std::size_t row = width * element_bytes;
  const std::size_t padded_row = padded_width * element_bytes;
  for (std::size_t image = 0; image < images; ++image) {
    const std::byte* from =
        stored.data() + (image * padded_height + top) * padded_row + left * element_bytes;
    std::byte* to = out.data() + image * height * row;
    for (std::size_t y = 0; y < height; ++y) std::memcpy(to + y * row, from + y * padded_row, row);
  }
}

}  // namespace pnflow
