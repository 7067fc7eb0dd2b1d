#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/array.h"
#include "graph/export.h"

namespace pnflow {

// Rows of unequal number for each event, in columns: the peaks of a message. Rows of event i are
// offsets[i] to offsets[i + 1]; every column has offsets.back() entries on its leading axis.
struct PNFLOW_API RaggedTable {
  std::vector<std::size_t> offsets{0};
  std::map<std::string, Array, std::less<>> columns;

  std::size_t events() const { return offsets.size() - 1; }
  std::size_t rows() const { return offsets.back(); }
  std::size_t rows_of(std::size_t event) const { return offsets[event + 1] - offsets[event]; }
  // Throws DataError("missing field").
  const Array& column(std::string_view name) const;
};

using Attribute = std::variant<bool, std::int64_t, double, std::string>;

// The payload of one message: named fields over the same events. An array field has the event as
// its leading axis; a table has rows per event; a message field belongs to the whole message (raw
// bytes: field "wire", uint8, shape {bytes}). Copying shares the storage. A batch is built by one
// thread, and not changed any more once it is sent: then it is safe to read from any thread.
class PNFLOW_API Batch {
 public:
  Batch() = default;  // a message that is not decoded: no events known yet
  explicit Batch(std::size_t events) : events_(events) {}

  std::size_t events() const { return events_; }

  bool has(std::string_view name) const;
  std::vector<std::string> names() const;

  // The field of that name, or nullptr.
  const Array* find(std::string_view name) const;
  const RaggedTable* find_table(std::string_view name) const;
  // The field of that name. Throws DataError("missing field") and says which fields there are.
  const Array& array(std::string_view name) const;
  const RaggedTable& table(std::string_view name) const;

  // Adds or replaces a field. Throws DataError("wrong shape") unless its events are the batch's.
  Batch& set(std::string name, Array per_event);
  Batch& set(std::string name, RaggedTable per_event);
  // A field of the whole message, of any shape.
  Batch& set_message_field(std::string name, Array array);
  Batch& drop(std::string_view name);

  const Attribute* attribute(std::string_view name) const;
  Batch& set_attribute(std::string name, Attribute value);

  // Bytes of all array fields: what the message occupies. Of "wire" only the part that attribute
  // "wire_share" (0 to 1) tells: a part of a file has the whole file there, which is mapped once.
  std::size_t bytes() const;

 private:
  std::size_t events_ = 0;
  std::map<std::string, Array, std::less<>> arrays_;
  std::map<std::string, std::shared_ptr<const RaggedTable>, std::less<>> tables_;
  std::map<std::string, Attribute, std::less<>> attributes_;
};

}  // namespace pnflow
