#include "io/name_pattern.h"

#include <fmt/format.h>

#include <algorithm>

namespace pnflow {

std::optional<std::string> pattern_fault(std::string_view pattern,
                                         std::span<const std::string_view> known) {
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] == '}') return fmt::format("'{}' has a '}}' without a '{{'", pattern);
    if (pattern[at] != '{') continue;
    const std::size_t end = pattern.find('}', at);
    if (end == std::string_view::npos) {
      return fmt::format("'{}' has a '{{' without a '}}'", pattern);
    }
    const std::string_view name = pattern.substr(at + 1, end - at - 1);
    if (std::ranges::find(known, name) == known.end()) {
      std::string names;
      for (const std::string_view each : known) {
        names += fmt::format("{}{{{}}}", names.empty() ? "" : ", ", each);
      }
      return fmt::format("'{{{}}}' in '{}' is no placeholder; there are {}", name, pattern, names);
    }
    at = end;
  }
  return {};
}

std::string expand_pattern(std::string_view pattern, NameValues values) {
  std::string text;
  while (!pattern.empty()) {
    const std::size_t begin = pattern.find('{');
    const std::size_t end = pattern.find('}', begin);
    text += pattern.substr(0, begin);
    if (end == std::string_view::npos) break;
    const std::string_view placeholder = pattern.substr(begin, end - begin + 1);
    const auto value = std::ranges::find_if(values, [&](const auto& each) {
      return each.first == placeholder.substr(1, placeholder.size() - 2);
    });
    text += value == values.end() ? placeholder : std::string_view(value->second);
    pattern.remove_prefix(end + 1);
  }
  return text;
}

}  // namespace pnflow
