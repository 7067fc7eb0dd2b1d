#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "graph/export.h"

namespace pnflow {

using Duration = std::chrono::nanoseconds;

// A number of bytes, written with its unit: "64 MiB", "138 MB", "512 B".
struct ByteSize {
  std::uint64_t bytes = 0;
  friend bool operator==(const ByteSize&, const ByteSize&) = default;
};

// Per second, written with its unit: "120 Hz", "1.5 kHz".
struct Rate {
  double hertz = 0;
  friend bool operator==(const Rate&, const Rate&) = default;
};

// Each gives nothing when the text is not of that form (a bare number has no unit: not accepted,
// except 0). Accepted: ns us ms s min h; B kB MB GB TB KiB MiB GiB TiB; Hz kHz MHz.
PNFLOW_API std::optional<Duration> parse_duration(std::string_view text);
PNFLOW_API std::optional<ByteSize> parse_byte_size(std::string_view text);
PNFLOW_API std::optional<Rate> parse_rate(std::string_view text);

// The shortest form that parses back: "20 ms", "64 MiB", "120 Hz".
PNFLOW_API std::string to_string(Duration duration);
PNFLOW_API std::string to_string(ByteSize size);
PNFLOW_API std::string to_string(Rate rate);

}  // namespace pnflow
