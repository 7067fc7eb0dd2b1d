#include "nodes/cxi_debug_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

#include "graph/error.h"
#include "nodes/segmap_window.h"

namespace pnflow {
namespace {

constexpr std::size_t word_bits = 64;

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

// Calls copy(panel, row of the map, place in the stacked image of the row's first pixel) for the
// rows that the model saw.
template <class Copy>
void for_each_row(const MapGeometry& window, const CxiFormat& format, const Copy& copy) {
  for (std::size_t panel = 0; panel < format.panels; ++panel) {
    for (std::size_t y = 0; y < window.height; ++y) {
      const std::size_t row = panel * format.height + window.crop_top + y;
      copy(panel, window.top + y, row * format.width + window.crop_left);
    }
  }
}

}  // namespace

Array segmap_of(const Batch& batch, std::size_t event, const CxiFormat& format) {
  const MapGeometry window = read_segmap_window(batch, format.height, format.width);
  const bool bits = batch.array("segmap").dtype() == DType::u64;
  const std::size_t row_length = window.row_elements(bits ? MapFormat::bits : MapFormat::uint8);
  const Array stored =
      event_of(batch, "segmap", event, format.panels * window.map_height * row_length);
  MutableArray map(*heap_pool(), DType::u8, {format.rows(), format.width});
  std::ranges::fill(map.as<std::uint8_t>(), std::uint8_t{0});
  for_each_row(window, format, [&](std::size_t panel, std::size_t y, std::size_t out) {
    const std::size_t first = (panel * window.map_height + y) * row_length;
    auto to = map.as<std::uint8_t>().subspan(out, window.width);
    if (bits) {
      const auto words = stored.as<std::uint64_t>().subspan(first, row_length);
      for (std::size_t i = 0; i < window.width; ++i) {
        const std::size_t x = window.left + i;
        to[i] = static_cast<std::uint8_t>(words[x / word_bits] >> (x % word_bits) & 1U);
      }
    } else {
      std::ranges::copy(stored.as<std::uint8_t>().subspan(first + window.left, window.width),
                        to.begin());
    }
  });
  return std::move(map).freeze();
}

Array logits_of(const Batch& batch, std::size_t event, std::size_t which, const CxiFormat& format) {
  const MapGeometry window = read_segmap_window(batch, format.height, format.width);
  const Array stored =
      event_of(batch, "logits", event, format.panels * 2 * window.map_height * window.map_width);
  MutableArray map(*heap_pool(), DType::f32, {format.rows(), format.width});
  std::ranges::fill(map.as<float>(), std::numeric_limits<float>::quiet_NaN());
  for_each_row(window, format, [&](std::size_t panel, std::size_t y, std::size_t out) {
    const std::size_t row = (panel * 2 + which) * window.map_height + y;
    std::ranges::copy(
        stored.as<float>().subspan(row * window.map_width + window.left, window.width),
        map.as<float>().subspan(out, window.width).begin());
  });
  return std::move(map).freeze();
}

}  // namespace pnflow
