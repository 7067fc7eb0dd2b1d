#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/export.h"

namespace pnflow {

// A position in a configuration: line and column count from 1; 0 means unknown. `file` is the
// index of the text in Diagnostics: 0 the graph's file, then one for each --set.
struct Mark {
  int file = 0;
  int line = 0;
  int column = 0;
  friend bool operator==(const Mark&, const Mark&) = default;
};

// A configuration as it was written: scalars are still text. Independent of the YAML library, so
// that plugins need not have it.
class PNFLOW_API Value {
 public:
  enum class Kind { null, scalar, list, map };
  struct Entry;

  Kind kind = Kind::null;
  Mark mark;                   // where it stands; of an empty value, its key
  std::string text;            // of a scalar
  bool quoted = false;         // "12" is a string, 12 is a number
  std::vector<Value> items;    // of a list
  std::vector<Entry> entries;  // of a map, in order, duplicates included

  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_list() const { return kind == Kind::list; }
  bool is_map() const { return kind == Kind::map; }
  bool is_null() const { return kind == Kind::null; }
  // The first entry of a map under `key`, or nullptr.
  const Value* find(std::string_view key) const;
  const Entry* find_entry(std::string_view key) const;
  // "a list", "a map", "'8'", "the text "8"" when it was quoted, "nothing": for messages.
  std::string describe() const;
};

struct Value::Entry {
  std::string key;
  Mark key_mark;
  Value value;
};

}  // namespace pnflow
