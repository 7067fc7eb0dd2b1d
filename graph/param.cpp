#include "graph/param.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "graph/diagnostics.h"

namespace pnflow {

namespace {

template <class T>
std::optional<T> parse_all(std::string_view text) {
  T number{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && stop == end ? std::optional(number) : std::nullopt;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      default: out += c;
    }
  }
  return out + "\"";
}

// Whether a plain scalar reads back as itself, inside braces too.
bool plain_is_safe(std::string_view text) {
  constexpr std::string_view special = ",[]{}#&*!|>'\"%@`\n\t\\";
  return !text.empty() && text.find_first_of(special) == std::string_view::npos &&
         text.find(": ") == std::string_view::npos && !text.ends_with(':') &&
         !text.starts_with(' ') && !text.ends_with(' ') && !text.starts_with("- ") &&
         !text.starts_with('?') && text != "~" && text != "null";
}

std::string flow_text(const Value& value) {
  std::vector<std::string> parts;
  switch (value.kind) {
    case Value::Kind::null: return "null";
    case Value::Kind::scalar:
      return value.quoted || !plain_is_safe(value.text) ? quote(value.text) : value.text;
    case Value::Kind::list:
      for (const Value& item : value.items) parts.push_back(flow_text(item));
      return fmt::format("[{}]", fmt::join(parts, ", "));
    case Value::Kind::map: break;
  }
  for (const auto& entry : value.entries) {
    const std::string key = plain_is_safe(entry.key) ? entry.key : quote(entry.key);
    parts.push_back(fmt::format("{}: {}", key, flow_text(entry.value)));
  }
  return parts.empty() ? "{}" : fmt::format("{{ {} }}", fmt::join(parts, ", "));
}

}  // namespace

std::string with_article(std::string_view type) {
  if (type == "yes or no") return std::string(type);
  if (type == "integer") return "an integer";
  if (type == "duration") return "a duration such as 30 s";
  if (type == "size") return "a size such as 64 MiB";
  if (type == "rate") return "a rate such as 120 Hz";
  return fmt::format("a {}", type);
}

std::string plural_of(std::string_view type) {
  if (type == "yes or no") return std::string(type);
  constexpr std::string_view list = "list";
  if (type.starts_with(list)) return fmt::format("lists{}", type.substr(list.size()));
  return fmt::format("{}s", type);
}

void set_params(const ParamSpecs& specs, void* params, const Value& map, Mark at,
                const std::string& owner, const std::vector<std::string>& reserved,
                ParamFaults& faults) {
  std::vector<std::string> known;
  for (const auto& spec : specs) known.push_back(spec->name);
  known.insert(known.end(), reserved.begin(), reserved.end());

  std::map<std::string_view, Mark> seen;
  for (const auto& entry : map.entries) {
    const auto [first, fresh] = seen.emplace(entry.key, entry.key_mark);
    if (!fresh) {
      faults.push_back(
          {entry.key_mark, fmt::format("key '{}' of {} is repeated", entry.key, owner),
           fmt::format("it is already at {}:{}", first->second.line, first->second.column)});
      continue;
    }
    const auto spec = std::ranges::find(specs, entry.key, [](const auto& s) { return s->name; });
    if (spec != specs.end()) {
      const std::size_t before = faults.size();
      (*spec)->set(params, entry.value, faults);
      if (!(*spec)->members.empty()) continue;
      for (std::size_t i = before; i < faults.size(); ++i) {
        faults[i].message = fmt::format("'{}' of {}: {}", entry.key, owner, faults[i].message);
      }
    } else if (std::ranges::find(reserved, entry.key) == reserved.end()) {
      faults.push_back({entry.key_mark, fmt::format("unknown key '{}' of {}", entry.key, owner),
                        suggest(entry.key, known)});
    }
  }
  for (const auto& spec : specs) {
    if (spec->required && !seen.contains(spec->name)) {
      faults.push_back(
          {at, fmt::format("{} needs '{}', {}", owner, spec->name, with_article(spec->type)),
           spec->help});
    }
  }
}

Value show_params(const ParamSpecs& specs, const void* params) {
  Value map;
  map.kind = Value::Kind::map;
  for (const auto& spec : specs) map.entries.push_back({spec->name, {}, spec->show(params)});
  return map;
}

std::optional<bool> parse_bool(const Value& value) {
  if (!value.is_scalar() || value.quoted) return {};
  for (const std::string_view yes : {"true", "True", "yes", "on"}) {
    if (value.text == yes) return true;
  }
  for (const std::string_view no : {"false", "False", "no", "off"}) {
    if (value.text == no) return false;
  }
  return {};
}

std::optional<std::int64_t> parse_integer(const Value& value) {
  if (!value.is_scalar() || value.quoted) return {};
  return parse_all<std::int64_t>(value.text);
}

std::optional<double> parse_number(const Value& value) {
  if (!value.is_scalar() || value.quoted) return {};
  const auto number = parse_all<double>(value.text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

Value scalar_value(std::string text, bool quoted) {
  Value value;
  value.kind = Value::Kind::scalar;
  value.text = std::move(text);
  value.quoted = quoted;
  return value;
}

std::string number_text(double number) { return fmt::format("{}", number); }

std::string value_text(const Value& value) { return value.is_null() ? "" : flow_text(value); }

}  // namespace pnflow
