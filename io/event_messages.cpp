#include "io/event_messages.h"

#include <fmt/format.h>

#include <cmath>
#include <stdexcept>
#include <string>

#include "io/hdf5_message_writer.h"
#include "io/npay_message_writer.h"
#include "io/npz_message_writer.h"
#include "io/simplon_message_writer.h"
#include "io/timestamps.h"

namespace pnflow {
namespace {

constexpr const char* run_name = "1";  // of a series

struct Names {
  const char *image, *timestamp, *wavelength;
};
constexpr Names hdf5_names{"/data/data", "/data/timestamp", "/data/wavelength"};
constexpr Names npz_names{"detector_data", "timestamp", "photon_wavelength"};

std::vector<NamedArray> named(const EventArrays& events, const Names& names) {
  std::vector<NamedArray> arrays{{names.image, events.dtype, events.shape, events.pixels}};
  const std::size_t count = events.shape.front();
  if (!events.timestamps.empty()) {
    arrays.push_back({names.timestamp, DType::u64, {count}, std::as_bytes(events.timestamps)});
  }
  if (!events.wavelengths.empty()) {
    arrays.push_back({names.wavelength, DType::f64, {count}, std::as_bytes(events.wavelengths)});
  }
  return arrays;
}

Hdf5Compression hdf5_compression(MessageCompression compression) {
  switch (compression) {
    case MessageCompression::none: return Hdf5Compression::none;
    case MessageCompression::deflate: return Hdf5Compression::gzip;
    case MessageCompression::bitshuffle_lz4: break;
  }
  return Hdf5Compression::bitshuffle_lz4;
}

std::vector<std::byte> simplon_image(const EventArrays& events) {
  if (events.shape.front() != 1) {
    throw std::invalid_argument(
        fmt::format("{} events in a message of Simplon, which holds one", events.shape.front()));
  }
  SimplonImage image{
      .run = run_name,
      .dtype = events.dtype,
      .pixels = events.pixels,
      .beam = {},
      .timestamp = events.timestamps.empty() ? 0 : static_cast<double>(events.timestamps.front())};
  if (!events.wavelengths.empty() && !std::isnan(events.wavelengths.front())) {
    image.beam = {.photon_energy = photon_energy_ev(events.wavelengths.front()),
                  .photon_wavelength = events.wavelengths.front()};
  }
  return write_simplon_image(image);
}

// Of a packed time stamp.
double unix_seconds(std::uint64_t packed) {
  constexpr double nanosecond = 1e-9;
  return static_cast<double>(packed >> 32U) +
         static_cast<double>(packed & 0xffffffffU) * nanosecond;
}

}  // namespace

std::string_view name_of(MessageFormat format) {
  switch (format) {
    case MessageFormat::hdf5: return "hdf5";
    case MessageFormat::npz: return "npz";
    case MessageFormat::simplon: return "simplon";
    case MessageFormat::npay: break;
  }
  return "npay";
}

bool can_compress(MessageFormat format, MessageCompression compression) {
  switch (format) {
    case MessageFormat::hdf5: return true;
    case MessageFormat::npz: return compression != MessageCompression::bitshuffle_lz4;
    case MessageFormat::simplon: return compression == MessageCompression::bitshuffle_lz4;
    case MessageFormat::npay: break;
  }
  return compression == MessageCompression::none;
}

MessageCompression usual_compression(MessageFormat format) {
  return format == MessageFormat::simplon ? MessageCompression::bitshuffle_lz4
                                          : MessageCompression::none;
}

std::vector<std::byte> write_event_message(MessageFormat format, MessageCompression compression,
                                           const EventArrays& events) {
  if (!can_compress(format, compression)) {
    throw std::invalid_argument(fmt::format("{} does not have this compression", name_of(format)));
  }
  check_named_array({"image", events.dtype, events.shape, events.pixels});
  switch (format) {
    case MessageFormat::hdf5:
      return write_hdf5_message(named(events, hdf5_names), hdf5_compression(compression));
    case MessageFormat::npz:
      return write_npz_message(named(events, npz_names), compression == MessageCompression::deflate
                                                             ? NpzCompression::deflate
                                                             : NpzCompression::stored);
    case MessageFormat::npay: return write_npay_message(named(events, hdf5_names));
    case MessageFormat::simplon: break;
  }
  return simplon_image(events);
}

bool has_series(MessageFormat format) { return format == MessageFormat::simplon; }

std::vector<std::byte> write_series_start(DType dtype, const Shape& shape,
                                          std::uint64_t timestamp) {
  SimplonStart start;
  start.run_number = run_name;
  start.start_time = std::to_string(timestamp);
  start.beamline = start.experiment = "pnflow";
  start.data_collection_rate = "120Hz";
  start.dtype = dtype;
  start.shape = shape;
  start.detector.name = start.detector.id = "pnflow";
  start.timestamp = unix_seconds(timestamp);
  return write_simplon_start(start);
}

std::vector<std::byte> write_series_stop(std::uint64_t timestamp) {
  return write_simplon_stop(run_name, unix_seconds(timestamp));
}

}  // namespace pnflow
