#include "nodes/cxi_prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "graph/error.h"
#include "nodes/cxi_debug_images.h"
#include "nodes/cxi_layout.h"
#include "nodes/event_number.h"

namespace pnflow {
namespace {

constexpr std::uint64_t first_bad_timestamp = std::uint64_t{1} << 63U;

CxiFormat format_of(const Batch& batch, const CxiImageOptions& options) {
  const Array& image = batch.array("image");
  const Shape& shape = image.shape();
  if ((shape.size() != 3 && shape.size() != 4) || image.elements() == 0) {
    throw DataError("wrong shape",
                    fmt::format("field image is {}, not (B,H,W) or (B,C,H,W)", to_string(shape)));
  }
  CxiFormat format;
  format.dtype = options.as_float32 ? DType::f32 : image.dtype();
  format.panels = shape.size() == 4 ? shape[1] : 1;
  format.height = shape[shape.size() - 2];
  format.width = shape.back();
  format.compression = options.compression;
  format.segmap = options.segmap;
  format.logits = options.logits;
  if (const Attribute* normalized = batch.attribute("normalized")) {
    const bool* flag = std::get_if<bool>(normalized);
    format.normalized = flag != nullptr && *flag;
  }
  return format;
}

std::optional<Array> mask_of(const Batch& batch, const CxiFormat& format) {
  const Array* mask = batch.find("mask");
  if (mask == nullptr) return {};
  if (mask->dtype() != DType::u8 || mask->elements() != format.rows() * format.width) {
    throw DataError("wrong shape",
                    fmt::format("field mask is {} {}, the image {}", name_of(mask->dtype()),
                                to_string(mask->shape()), to_string(batch.array("image").shape())));
  }
  return *mask;
}

Array as_float32(const Array& image) {
  if (image.dtype() == DType::f32) return image;
  MutableArray converted(*heap_pool(), DType::f32, image.shape());
  dispatch(image.dtype(), [&](auto element) {
    std::ranges::transform(image.as<decltype(element)>(), converted.as<float>().begin(),
                           [](auto value) { return static_cast<float>(value); });
  });
  return std::move(converted).freeze();
}

// The columns of field `peaks`.
struct PeakColumns {
  explicit PeakColumns(const RaggedTable& table)
      : offsets(table.offsets),
        panel(table.column("panel").as<std::int32_t>()),
        y(table.column("y").as<double>()),
        x(table.column("x").as<double>()),
        npix(table.column("npix").as<std::int32_t>()),
        total(table.column("total").as<float>()),
        maximum(table.column("maximum").as<float>()),
        snr(table.column("snr").as<float>()) {}

  // A pixel reaches half a pixel to all sides of its centre.
  bool inside(std::size_t row, const CxiFormat& format) const {
    return panel[row] >= 0 && static_cast<std::size_t>(panel[row]) < format.panels &&
           y[row] >= -0.5 && y[row] <= static_cast<double>(format.height) - 0.5 && x[row] >= -0.5 &&
           x[row] <= static_cast<double>(format.width) - 0.5;
  }

  // Peaks of one event in coordinates of the file's image; counts what has no place there.
  // `format`: of the images as they come; `camera_length` and `photon_energy`: the event's.
  CxiPeaks of(std::size_t event, const CxiFormat& format, const CxiLayout& layout,
              double camera_length, double photon_energy, std::size_t& dropped) const {
    CxiPeaks peaks;
    for (std::size_t row = offsets[event]; row < offsets[event + 1]; ++row) {
      if (!inside(row, format)) {
        ++dropped;
        continue;
      }
      const auto on = static_cast<std::size_t>(panel[row]);
      const SlabPixel first = layout.first_pixel(on);
      peaks.x.push_back(static_cast<float>(static_cast<double>(first.fs) + x[row]));
      peaks.y.push_back(static_cast<float>(static_cast<double>(first.ss) + y[row]));
      if (layout.format().laboratory) {
        layout.add_place(peaks, on, camera_length, photon_energy);
      }
      peaks.total.push_back(total[row]);
      peaks.maximum.push_back(maximum[row]);
      peaks.snr.push_back(snr[row]);
      peaks.npix.push_back(npix[row]);
      peaks.panel.push_back(panel[row]);
    }
    return peaks;
  }

  std::span<const std::size_t> offsets;
  std::span<const std::int32_t> panel;
  std::span<const double> y, x;
  std::span<const std::int32_t> npix;
  std::span<const float> total, maximum, snr;
};

std::uint64_t timestamp_of(const Batch& batch, std::size_t event, std::size_t& bad) {
  const Array* array = batch.find("timestamp");
  if (array == nullptr) return 0;
  const std::uint64_t timestamp = array->as<std::uint64_t>()[event];
  if (timestamp < first_bad_timestamp) return timestamp;
  ++bad;
  return 0;
}

// Nothing when the stream has no ids, or none for this event.
std::optional<std::int64_t> id_of(const Batch& batch, std::size_t event) {
  const Array* array = batch.find("id");
  if (array == nullptr) return {};
  const std::int64_t id = array->as<std::int64_t>()[event];
  return id >= 0 ? std::optional(id) : std::nullopt;
}

}  // namespace

std::unique_ptr<CxiPrepared> prepare_cxi(const Batch& batch, Context& context,
                                         const CxiImageOptions& options) {
  auto prepared = std::make_unique<CxiPrepared>();
  const CxiFormat stream = format_of(batch, options);
  const CxiLayout layout(options.geometry, stream);
  const CxiFormat& format = prepared->format = layout.format();
  prepared->mask = layout.mask(mask_of(batch, stream));
  const Array& image = batch.array("image");
  std::optional<PeakColumns> peaks;
  if (const RaggedTable* table = batch.find_table("peaks")) peaks.emplace(*table);

  for (std::size_t i = 0; i < batch.events(); ++i) {
    if (!context.alive(i)) continue;
    if (context.aborting()) {
      context.fail(i, "aborted");
      continue;
    }
    CxiEvent event;
    const Array pixels = options.as_float32 ? as_float32(image.at(i)) : image.at(i);
    event.image = make_cxi_chunk(layout.image(pixels), format);
    event.timestamp = timestamp_of(batch, i, prepared->bad_timestamps);
    event.photon_energy = photon_energy_of(batch, i, options.geometry);
    if (event.photon_energy == 0) ++prepared->without_energy;
    const auto encoder = number_of(batch, "encoder", i);
    event.encoder = static_cast<float>(encoder.value_or(0));
    event.id = id_of(batch, i);
    const double camera_length =
        options.geometry == nullptr ? 0 : options.geometry->camera_length(encoder);
    if (std::isnan(camera_length)) ++prepared->without_camera;
    if (peaks) {
      event.peaks =
          peaks->of(i, stream, layout, camera_length, event.photon_energy, prepared->dropped_peaks);
    }
    if (options.segmap) {
      event.segmap = make_cxi_chunk(layout.image(segmap_of(batch, i, stream)), format);
    }
    if (options.logits) {
      constexpr double not_seen = std::numeric_limits<double>::quiet_NaN();
      const auto chunk = [&](std::size_t which) {
        return make_cxi_chunk(layout.image(logits_of(batch, i, which, stream), not_seen), format);
      };
      event.logits = {chunk(0), chunk(1)};
    }
    prepared->items.push_back({i, std::move(event)});
  }
  return prepared;
}

}  // namespace pnflow
