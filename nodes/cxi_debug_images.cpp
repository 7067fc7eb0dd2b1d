#include "nodes/cxi_debug_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "graph/error.h"

namespace pnflow {
namespace {

constexpr std::size_t word_bits = 64;

std::size_t attribute_or(const Batch& batch, std::string_view name, std::size_t otherwise) {
  const Attribute* attribute = batch.attribute(name);
  if (attribute == nullptr) return otherwise;
  const auto* value = std::get_if<std::int64_t>(attribute);
  if (value == nullptr || *value < 0) {
    throw DataError("wrong shape", fmt::format("attribute {} is not a size", name));
  }
  return static_cast<std::size_t>(*value);
}

// Where the image lies in what the model saw.
struct Window {
  Window(const Batch& batch, const CxiFormat& format)
      : height(attribute_or(batch, "segmap_height", format.height)),
        width(attribute_or(batch, "segmap_width", format.width)),
        top(attribute_or(batch, "segmap_top", 0)),
        left(attribute_or(batch, "segmap_left", 0)) {
    if (top > height || left > width || format.height > height - top ||
        format.width > width - left) {
      throw DataError("wrong shape",
                      fmt::format("an image of {}x{} at {},{} does not lie in a map of {}x{}",
                                  format.height, format.width, top, left, height, width));
    }
  }
  std::size_t height, width, top, left;
};

// One event of field `name`, which must have `per_event` elements of each.
Array event_of(const Batch& batch, std::string_view name, std::size_t event,
               std::size_t per_event) {
  const Array& field = batch.array(name);
  Array entry = field.at(event);
  if (entry.elements() != per_event) {
    throw DataError("wrong shape", fmt::format("field {} is {}, which is not {} elements per event",
                                               name, to_string(field.shape()), per_event));
  }
  return entry;
}

}  // namespace

Array segmap_of(const Batch& batch, std::size_t event, const CxiFormat& format) {
  const Window window(batch, format);
  const bool bits = batch.array("segmap").dtype() == DType::u64;
  const std::size_t row_length = bits ? (window.width + word_bits - 1) / word_bits : window.width;
  const Array stored = event_of(batch, "segmap", event, format.panels * window.height * row_length);
  MutableArray map(*heap_pool(), DType::u8, {format.rows(), format.width});
  auto out = map.as<std::uint8_t>().begin();
  for (std::size_t row = 0; row < format.rows(); ++row) {
    const std::size_t stored_row =
        row / format.height * window.height + window.top + row % format.height;
    if (bits) {
      const auto words = stored.as<std::uint64_t>().subspan(stored_row * row_length, row_length);
      for (std::size_t x = window.left; x < window.left + format.width; ++x) {
        *out++ = static_cast<std::uint8_t>(words[x / word_bits] >> (x % word_bits) & 1U);
      }
    } else {
      const auto pixels =
          stored.as<std::uint8_t>().subspan(stored_row * row_length + window.left, format.width);
      out = std::ranges::copy(pixels, out).out;
    }
  }
  return std::move(map).freeze();
}

Array logits_of(const Batch& batch, std::size_t event, std::size_t which, const CxiFormat& format) {
  const Window window(batch, format);
  const Array stored =
      event_of(batch, "logits", event, format.panels * 2 * window.height * window.width);
  MutableArray map(*heap_pool(), DType::f32, {format.rows(), format.width});
  auto out = map.as<float>().begin();
  for (std::size_t row = 0; row < format.rows(); ++row) {
    const std::size_t image = row / format.height * 2 + which;
    const std::size_t stored_row = image * window.height + window.top + row % format.height;
    const auto pixels =
        stored.as<float>().subspan(stored_row * window.width + window.left, format.width);
    out = std::ranges::copy(pixels, out).out;
  }
  return std::move(map).freeze();
}

}  // namespace pnflow
