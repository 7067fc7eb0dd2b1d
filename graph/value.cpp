#include "graph/value.h"

#include <algorithm>

namespace pnflow {

namespace {

// A text for one line of a message: without line ends, and not the whole of a long one.
std::string shortened(std::string_view text) {
  constexpr std::size_t longest = 60;
  std::string out(text.substr(0, longest));
  std::ranges::replace(out, '\n', ' ');
  return text.size() > longest ? out + "..." : out;
}

}  // namespace

const Value* Value::find(std::string_view key) const {
  const Entry* entry = find_entry(key);
  return entry != nullptr ? &entry->value : nullptr;
}

const Value::Entry* Value::find_entry(std::string_view key) const {
  const auto it = std::ranges::find(entries, key, &Entry::key);
  return it == entries.end() ? nullptr : &*it;
}

std::string Value::describe() const {
  switch (kind) {
    case Kind::null: return "nothing";
    case Kind::list: return "a list";
    case Kind::map: return "a map";
    case Kind::scalar: break;
  }
  // A number in quotes would otherwise look like a number that is said not to be one.
  return quoted ? "the text \"" + shortened(text) + "\"" : "'" + shortened(text) + "'";
}

}  // namespace pnflow
