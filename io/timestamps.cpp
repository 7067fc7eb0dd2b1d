#include "io/timestamps.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>

namespace pnflow {
namespace {

constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;
constexpr std::uint64_t pulses_per_second = 120;
constexpr double hc_ev_angstrom = 12398.4193;

std::optional<std::uint64_t> parse_digits(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

}  // namespace

std::uint64_t packed_timestamp(std::uint64_t seconds, std::uint64_t nanoseconds) {
  return seconds << 32U | nanoseconds;
}

std::uint64_t pulse_timestamp(std::uint64_t start_second, std::uint64_t pulse) {
  return packed_timestamp(start_second + pulse / pulses_per_second,
                          pulse % pulses_per_second * nanoseconds_per_second / pulses_per_second);
}

std::uint64_t packed_from(double value) {
  if (!std::isfinite(value) || value <= 0 || value >= 0x1p64) return 0;
  if (value >= 0x1p40) return static_cast<std::uint64_t>(std::round(value));
  // Seconds beyond 32 bits do not fit into the packed form.
  if (value >= 0x1p32) return 0;
  const double whole = std::floor(value);
  auto seconds = static_cast<std::uint64_t>(whole);
  auto nanoseconds = static_cast<std::uint64_t>(std::round((value - whole) * 1e9));
  if (nanoseconds == nanoseconds_per_second) {
    nanoseconds = 0;
    ++seconds;
  }
  return seconds > std::numeric_limits<std::uint32_t>::max()
             ? 0
             : packed_timestamp(seconds, nanoseconds);
}

std::optional<std::uint64_t> packed_from(std::string_view text) {
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return std::nullopt;
  const auto seconds = parse_digits(text.substr(0, point));
  const auto nanoseconds = parse_digits(text.substr(point + 1));
  if (!seconds || !nanoseconds || *seconds > std::numeric_limits<std::uint32_t>::max() ||
      *nanoseconds >= nanoseconds_per_second) {
    return std::nullopt;
  }
  return packed_timestamp(*seconds, *nanoseconds);
}

std::int64_t unix_nanoseconds(std::uint64_t packed) {
  return static_cast<std::int64_t>(packed >> 32U) *
             static_cast<std::int64_t>(nanoseconds_per_second) +
         static_cast<std::int64_t>(packed & 0xffffffffU);
}

std::int64_t unix_nanoseconds_now() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
}

double photon_energy_ev(double wavelength_angstrom) {
  if (!std::isfinite(wavelength_angstrom) || wavelength_angstrom <= 0) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return hc_ev_angstrom / wavelength_angstrom;
}

}  // namespace pnflow
