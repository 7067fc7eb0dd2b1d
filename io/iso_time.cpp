#include "io/iso_time.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

namespace pnflow {

std::string iso_time(std::uint64_t packed) {
  if (packed == 0) return {};
  const auto seconds = static_cast<std::time_t>(packed >> 32U);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:09}Z", fmt::gmtime(seconds), packed & 0xffffffffU);
}

}  // namespace pnflow
