#pragma once

#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace pnflow {

// The number that a text is, as C's printf writes it, whatever the locale: also "+1.5", "inf" and
// "-nan". Nothing when it is something else; NaN when it is too large or too small for T.
template <class T = double>
std::optional<T> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty()) return {};
  if (error == std::errc()) return value;
  if (error == std::errc::result_out_of_range && std::is_floating_point_v<T>) {
    return std::numeric_limits<T>::quiet_NaN();
  }
  return {};
}

}  // namespace pnflow
