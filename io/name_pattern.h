#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace pnflow {

// Names of files and directories with placeholders in braces: "{run}_{index}".

// What stands for a placeholder, by its name.
using NameValues = std::span<const std::pair<std::string_view, std::string>>;

// What is wrong with the pattern: a placeholder that is not in `known`, a brace without its other
// half; nothing when it is good.
std::optional<std::string> pattern_fault(std::string_view pattern,
                                         std::span<const std::string_view> known);

// The pattern with `values` in place; placeholders that have none stay as they are.
std::string expand_pattern(std::string_view pattern, NameValues values);

}  // namespace pnflow
