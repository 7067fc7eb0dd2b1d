#include "io/crystfel_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "graph/error.h"

namespace pnflow::crystfel {
namespace {

constexpr std::string_view blanks = " \t";

[[noreturn]] void unexpected(std::string_view expected, std::string_view found) {
  throw RunError(fmt::format("expected {}, found '{}'", expected, found));
}

template <class T, class... Format>
std::optional<T> whole_text(std::string_view text, Format... format) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, format...);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::optional<double> as_number(std::string_view text) {
  // from_chars knows no plus, and takes "inf" and "nan".
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  const auto value = whole_text<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

bool equal_in_any_case(std::string_view text, std::string_view lower) {
  return std::ranges::equal(text, lower, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

double number(std::string_view text) {
  const auto value = as_number(text);
  if (!value) unexpected("a number", text);
  return *value;
}

double positive_number(std::string_view text) {
  const auto value = as_number(text);
  if (!value || *value <= 0) unexpected("a number greater than 0", text);
  return *value;
}

std::size_t pixel_index(std::string_view text) {
  constexpr double limit = 1e9;  // no detector has as many, and sums of them fit everywhere
  const auto value = as_number(text);
  if (!value || *value < 0 || *value >= limit || *value != std::floor(*value)) {
    unexpected("a whole number from 0 on", text);
  }
  return static_cast<std::size_t>(*value);
}

std::uint64_t bits(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  const auto value = hexadecimal ? whole_text<std::uint64_t>(text.substr(2), 16)
                                 : whole_text<std::uint64_t>(text, 10);
  if (!value) unexpected("bits as a whole number or behind 0x", text);
  return *value;
}

bool flag(std::string_view text) {
  if (equal_in_any_case(text, "true")) return true;
  if (equal_in_any_case(text, "false")) return false;
  const auto value = whole_text<int>(text);
  if (!value) unexpected("true, false, 1 or 0", text);
  return *value != 0;
}

LabVector vector(std::string_view text) {
  constexpr std::string_view expected = "a vector such as '-0.004x +0.99y -0.1z'";
  std::string packed;
  for (const char c : text) {
    if (blanks.find(c) == std::string_view::npos) packed += c;
  }
  LabVector sum;
  std::string_view rest = packed;
  if (rest.empty()) unexpected(expected, text);
  while (!rest.empty()) {
    const bool is_first = rest.data() == packed.data();
    double sign = 1;
    if (rest.front() == '+' || rest.front() == '-') {
      sign = rest.front() == '-' ? -1 : 1;
      rest.remove_prefix(1);
    } else if (!is_first) {
      unexpected(expected, text);
    }
    const std::size_t size = rest.find_first_not_of("0123456789.");
    if (size == std::string_view::npos) unexpected(expected, text);
    double factor = sign;
    if (size > 0) {
      const auto value = as_number(rest.substr(0, size));
      if (!value) unexpected(expected, text);
      factor *= *value;
      rest.remove_prefix(size);
      if (rest.starts_with('*')) rest.remove_prefix(1);
    }
    if (rest.empty()) unexpected(expected, text);
    switch (rest.front()) {
      case 'x': sum.x += factor; break;
      case 'y': sum.y += factor; break;
      case 'z': sum.z += factor; break;
      default: unexpected(expected, text);
    }
    rest.remove_prefix(1);
  }
  return sum;
}

GeometryQuantity quantity(std::string_view text, const Units& units) {
  std::vector<std::string_view> known;
  for (const auto& [name, scale] : units.known) known.push_back(name);
  const std::size_t split = std::min(text.find_first_of(blanks), text.size());
  const std::string_view what = text.substr(0, split);
  const std::string_view unit = trimmed(text.substr(split));
  const auto value = as_number(what);
  if (!value && !what.starts_with('/')) {
    unexpected(fmt::format("a number or a path in the data file, with a unit ({})",
                           fmt::join(known, ", ")),
               text);
  }
  double scale = value ? units.bare_number : units.bare_path;
  if (!unit.empty()) {
    const auto found = std::ranges::find(units.known, unit, [](const auto& u) { return u.first; });
    scale = found == units.known.end() ? 0 : found->second;
  }
  if (scale == 0) unexpected(fmt::format("the unit {}", fmt::join(known, " or ")), text);
  if (value) return {*value * scale, {}, 1};
  return {std::nullopt, std::string(what), scale};
}

std::string absolute_path(std::string_view text) {
  if (!text.starts_with('/')) unexpected("a path that begins with '/'", text);
  return std::string(text);
}

DataAxis axis(std::string_view text) {
  if (text == "fs") return {DataAxis::Kind::fs, 0};
  if (text == "ss") return {DataAxis::Kind::ss, 0};
  if (text == "%") return {DataAxis::Kind::event, 0};
  const auto index = whole_text<std::size_t>(text);
  if (!index) unexpected("ss, fs, % or a whole number", text);
  return {DataAxis::Kind::fixed, *index};
}

std::vector<std::string> names(std::string_view text) {
  std::vector<std::string> found;
  std::string_view rest = text;
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    more = comma != std::string_view::npos;
    const std::string_view name = trimmed(rest.substr(0, comma));
    if (name.empty()) unexpected("names with commas between them", text);
    if (std::ranges::find(found, name) != found.end()) {
      throw RunError(fmt::format("'{}' is there twice", name));
    }
    found.emplace_back(name);
    if (more) rest.remove_prefix(comma + 1);
  }
  return found;
}

}  // namespace pnflow::crystfel
