#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

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
};

// A message that a producer sent, as a set of named arrays. A format is one class derived from it
// and one line in open_message().
class MessageReader {
 public:
  virtual ~MessageReader() = default;
  // The first of `names` that the message has as an array; nullptr when it has none of them.
  // Throws DataError when the array is there and cannot be used.
  virtual std::unique_ptr<MessageField> find(std::span<const std::string> names) const = 0;
};

// Recognises the format of a message by its first bytes and opens it; nothing is copied, so `bytes`
// must outlive the reader and its fields. Thread-safe.
// Throws DataError: "unsupported format" for one that is known and not read, "unknown format", and
// what the format's reader throws for a damaged message ("truncated", "damaged metadata").
std::unique_ptr<MessageReader> open_message(std::span<const std::byte> bytes);

}  // namespace pnflow
