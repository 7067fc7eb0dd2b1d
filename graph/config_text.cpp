// Configurations written out again, as JSON and as YAML.

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>

#include "graph/config.h"
#include "graph/param.h"

namespace pnflow {

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Value& value) {
  switch (value.kind) {
    case Value::Kind::null: return nullptr;
    case Value::Kind::list: {
      Json list = Json::array();
      for (const Value& item : value.items) list.push_back(json_of(item));
      return list;
    }
    case Value::Kind::map: {
      Json map = Json::object();
      for (const auto& entry : value.entries) map[entry.key] = json_of(entry.value);
      return map;
    }
    case Value::Kind::scalar: break;
  }
  if (const auto yes = parse_bool(value)) return *yes;
  if (const auto integer = parse_integer(value)) return *integer;
  if (const auto number = parse_number(value)) return *number;
  return value.text;
}

bool is_word(std::string_view key) { return value_text(scalar_value(std::string(key))) == key; }

void write_yaml(const Value& value, int depth, std::string& out) {
  const std::string indent(static_cast<std::size_t>(depth) * 2, ' ');
  const auto to = std::back_inserter(out);
  for (const auto& [key, mark, entry] : value.entries) {
    fmt::format_to(to, "{}{}:", indent, is_word(key) ? key : value_text(scalar_value(key, true)));
    const bool one_line = depth > 0 || entry.is_scalar() || entry.is_null() ||
                          (entry.entries.empty() && entry.items.empty());
    if (one_line) {
      fmt::format_to(to, " {}\n", entry.is_null() ? "null" : value_text(entry));
      continue;
    }
    out += '\n';
    for (const Value& item : entry.items) fmt::format_to(to, "  - {}\n", value_text(item));
    write_yaml(entry, depth + 1, out);
  }
}

}  // namespace

std::string to_json(const Value& value) {
  // A text may come from a file name, and those may be anything.
  return json_of(value).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_yaml(const Value& value) {
  if (!value.is_map()) return value_text(value) + "\n";
  std::string out;
  write_yaml(value, 0, out);
  return out;
}

}  // namespace pnflow
