#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "graph/array.h"
#include "graph/dtype.h"

namespace pnflow {

enum class MessageFormat { hdf5, npz, simplon, npay };
enum class MessageCompression { none, deflate, bitshuffle_lz4 };

// "hdf5", "npz", "simplon", "npay".
std::string_view name_of(MessageFormat format);

// HDF5 takes each; npz none and deflate; Simplon bitshuffle_lz4 alone; NPAY none alone.
bool can_compress(MessageFormat format, MessageCompression compression);
// Simplon's, which has no choice; none for the others.
MessageCompression usual_compression(MessageFormat format);

// Events to be sent, whatever the format. The memory must outlive it.
struct EventArrays {
  DType dtype = DType::u16;
  Shape shape;  // (B,H,W) or (B,C,H,W)
  std::span<const std::byte> pixels;
  std::span<const std::uint64_t> timestamps;  // packed, one for each event; none: not known
  std::span<const double> wavelengths;        // angstrom, NaN is missing; none: not known
};

// The events as one message of the format, under the names that LCLStreamer's configurations give
// the fields; what is not known is left out. With Simplon a message holds exactly one event, and
// the photon energy stands there in eV, the wavelength beside it.
// Thread-safe. Throws std::invalid_argument (a compression that the format does not have, shape and
// data disagree, not one event for Simplon), std::bad_alloc.
std::vector<std::byte> write_event_message(MessageFormat format, MessageCompression compression,
                                           const EventArrays& events);

// Simplon's images stand between two messages without events; the other formats have no such.
bool has_series(MessageFormat format);
// `shape` is that of one event; time stamps are packed, of the first and of the last event.
std::vector<std::byte> write_series_start(DType dtype, const Shape& shape, std::uint64_t timestamp);
std::vector<std::byte> write_series_stop(std::uint64_t timestamp);

}  // namespace pnflow
