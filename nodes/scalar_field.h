#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "io/message_reader.h"

namespace pnflow {

// A field of a message with one number for each event: time stamp, wavelength, encoder.
class ScalarField {
 public:
  // Throws DataError("wrong shape") unless `field` has one number for each of `events` events.
  ScalarField(std::unique_ptr<MessageField> field, std::size_t events);

  const std::string& name() const { return field_->name(); }
  // Throws DataError("wrong dtype") unless the entries can be time stamps: 64-bit integers, packed;
  // float64, packed or plain seconds; or text, "seconds.nanoseconds".
  void require_timestamps() const;
  // The time stamp of an event, packed; 0 when it is unknown, or text of another form.
  // Throws DataError ("damaged chunk", "truncated").
  std::uint64_t timestamp(std::size_t event) const;
  // The number of an event, whatever its type; NaN for text that is none. Throws as above.
  double number(std::size_t event) const;
  // The same where it is a whole number of 64 bits. Throws as above.
  std::optional<std::int64_t> integer(std::size_t event) const;

 private:
  std::unique_ptr<MessageField> field_;
};

}  // namespace pnflow
