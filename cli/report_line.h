#pragma once

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

// Lines of a report for people: a word, and what is to be said of it.
namespace pnflow {

template <class... Args>
void add_line(std::string& text, std::string_view word, fmt::format_string<Args...> format,
              Args&&... args) {
  fmt::format_to(std::back_inserter(text), "  {:<11}{}\n", word,
                 fmt::format(format, std::forward<Args>(args)...));
}

// "-" for what is not finite.
inline std::string decimals(double value, int count) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, count) : "-";
}

}  // namespace pnflow
