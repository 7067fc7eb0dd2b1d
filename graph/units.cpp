#include "graph/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

namespace pnflow {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;  // in the smallest unit of its table
};

constexpr std::array duration_units{Unit{"ns", 1},
                                    Unit{"us", 1'000},
                                    Unit{"ms", 1'000'000},
                                    Unit{"s", 1'000'000'000},
                                    Unit{"min", 60'000'000'000},
                                    Unit{"h", 3'600'000'000'000}};
constexpr std::array size_units{Unit{"B", 1},
                                Unit{"kB", 1'000},
                                Unit{"KiB", std::uint64_t{1} << 10},
                                Unit{"MB", 1'000'000},
                                Unit{"MiB", std::uint64_t{1} << 20},
                                Unit{"GB", 1'000'000'000},
                                Unit{"GiB", std::uint64_t{1} << 30},
                                Unit{"TB", 1'000'000'000'000},
                                Unit{"TiB", std::uint64_t{1} << 40}};
constexpr std::array rate_units{Unit{"Hz", 1}, Unit{"kHz", 1'000}, Unit{"MHz", 1'000'000}};

// A quantity in the smallest unit of the table. Long double holds every 64-bit integer.
std::optional<long double> parse_quantity(std::string_view text, std::span<const Unit> units) {
  long double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || !std::isfinite(number) || number < 0) return {};
  std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  if (unit.empty() && number == 0) return 0;
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const Unit& known : units) {
    if (known.name == unit) return number * static_cast<long double>(known.factor);
  }
  return {};
}

// A quantity that is counted; one that is too small to count is not the same as none.
template <class Count>
std::optional<Count> parse_count(std::string_view text, std::span<const Unit> units) {
  const auto quantity = parse_quantity(text, units);
  if (!quantity) return {};
  const long double rounded = std::round(*quantity);
  if (rounded > static_cast<long double>(std::numeric_limits<Count>::max())) return {};
  if (rounded == 0 && *quantity != 0) return {};
  return static_cast<Count>(rounded);
}

// With the unit that leaves the smallest whole number.
std::string show_count(std::uint64_t count, std::span<const Unit> units) {
  const Unit* best = &units.front();
  for (const Unit& unit : units) {
    if (count % unit.factor == 0 && unit.factor > best->factor) best = &unit;
  }
  return fmt::format("{} {}", count / best->factor, best->name);
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  const auto count = parse_count<Duration::rep>(text, duration_units);
  return count ? std::optional(Duration(*count)) : std::nullopt;
}

std::optional<ByteSize> parse_byte_size(std::string_view text) {
  const auto count = parse_count<std::uint64_t>(text, size_units);
  return count ? std::optional(ByteSize{*count}) : std::nullopt;
}

std::optional<Rate> parse_rate(std::string_view text) {
  const auto hertz = parse_quantity(text, rate_units);
  if (!hertz || *hertz > static_cast<long double>(std::numeric_limits<double>::max())) return {};
  return Rate{static_cast<double>(*hertz)};
}

std::string to_string(Duration duration) {
  if (duration == Duration::zero()) return "0 s";
  const bool negative = duration < Duration::zero();
  const auto count = static_cast<std::uint64_t>(duration.count());
  return negative ? "-" + show_count(0 - count, duration_units) : show_count(count, duration_units);
}

std::string to_string(ByteSize size) {
  return size.bytes == 0 ? "0 B" : show_count(size.bytes, size_units);
}

std::string to_string(Rate rate) {
  std::string best = fmt::format("{} Hz", rate.hertz);
  for (const Unit& unit : rate_units) {
    std::string text =
        fmt::format("{} {}", rate.hertz / static_cast<double>(unit.factor), unit.name);
    if (text.size() < best.size() && parse_rate(text) == rate) best = std::move(text);
  }
  return best;
}

}  // namespace pnflow
