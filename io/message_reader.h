#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/array.h"
#include "graph/dtype.h"

namespace pnflow {

// One named array of a message, whatever the format; the first axis counts the events.
// The bytes of the message must outlive it. Safe to use from several threads.
class MessageField {
 public:
  virtual ~MessageField() = default;
  virtual const std::string& name() const = 0;
  virtual DType dtype() const = 0;
  virtual const Shape& shape() const = 0;
  // Entry `index` of the first axis (all of it when there are no axes), in C order and native byte
  // order, into `out`, which is exactly as long and aligned to the element.
  // Throws DataError ("damaged chunk", "truncated"): then only this entry is lost.
  virtual void read(std::size_t index, std::span<std::byte> out) const = 0;

  // `count` entries from `first` on in memory that lives as long as the message and this field,
  // when they are there one behind the other as read() would give them; else empty.
  virtual std::span<const std::byte> in_place(std::size_t /*first*/, std::size_t /*count*/) const {
    return {};
  }

  // So many entries of the first axis, the first ones, the next ones and so on, are decompressed
  // together when one of them is read, or behind a lock: threads had better not share them out.
  virtual std::size_t entries_at_once() const { return 1; }

  // An array of text has u8 as its dtype and the texts' number as its shape, and is not for read().
  virtual bool is_text() const { return false; }
  // Text number `index`, UTF-8. Throws as read() does, and DataError("wrong dtype") when the array
  // is none of text.
  virtual std::string text(std::size_t index) const;
  // How the bytes are stored, for people: "chunks of 1x352x384, bitshuffle (LZ4)", "deflate".
  virtual std::string storage() const = 0;
  // Bytes that it takes in the message; nothing where the format does not tell.
  virtual std::optional<std::size_t> stored_bytes() const { return {}; }
};

// What a format calls the fields of an event, where nobody says otherwise; of several names the
// first that a message has.
struct FieldNames {
  std::vector<std::string> image, timestamp, wavelength, photon_energy, original_shape;
};

// A message that a producer sent, as a set of named arrays. A format is one class derived from it
// and one line in open_message(). Safe to use from several threads.
class MessageReader {
 public:
  virtual ~MessageReader() = default;
  // "HDF5", "npz", "NPAY", "Simplon"
  virtual std::string_view format() const = 0;
  virtual const FieldNames& usual_names() const = 0;
  // The names of all arrays, sorted.
  virtual std::vector<std::string> names() const = 0;
  // The first of `names` that the message has as an array; nullptr when it has none of them.
  // Throws DataError when the array is there and cannot be used.
  virtual std::unique_ptr<MessageField> find(std::span<const std::string> names) const = 0;
};

struct OpenOptions {
  // Of one array once it is decompressed; one that claims more is of "implausible size", before
  // anything is allocated for it. What is read where it lies, or chunk by chunk, has no such limit.
  std::size_t max_array_bytes = std::size_t{4} << 30U;
  // HDF5 only: the file whose bytes these are, when it may have virtual datasets over other files.
  std::filesystem::path file{};
  // Simplon only: the message that began the series, which must outlive the reader; and the shape
  // of an image where there is none.
  std::span<const std::byte> start{};
  Shape shape{};
};

// Recognises the format of a message by its first bytes and opens it; nothing is copied, so `bytes`
// must outlive the reader and its fields. Thread-safe.
// Throws DataError: "unknown format", and what the format's reader throws for a message that is
// damaged or cannot be used ("truncated", "damaged metadata").
std::unique_ptr<MessageReader> open_message(std::span<const std::byte> bytes,
                                            const OpenOptions& options = {});

}  // namespace pnflow
