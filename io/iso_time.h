#pragma once

#include <cstdint>
#include <string>

namespace pnflow {

// A packed time stamp (see io/timestamps.h) as ISO 8601 in UTC with nanoseconds:
// "2026-11-25T18:02:50.123456789Z". Empty for 0, which is no time. Nanoseconds of a second and more
// stay behind the point as they are, so that nobody takes a damaged stamp for a good one. Pure.
std::string iso_time(std::uint64_t packed);

}  // namespace pnflow
