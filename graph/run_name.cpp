#include "graph/run_name.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>

namespace pnflow {

std::string unique_run_name(const std::string& graph_name) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {"host"};
  const auto now =
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  const auto micros = now.time_since_epoch().count() % 1'000'000;
  std::string name = fmt::format("{}-{:%Y%m%d-%H%M%S}.{:06}-{}-{}", graph_name,
                                 fmt::localtime(std::chrono::system_clock::to_time_t(now)), micros,
                                 host.data(), getpid());
  std::ranges::replace_if(
      name, [](unsigned char c) { return !std::isalnum(c) && c != '-' && c != '_' && c != '.'; },
      '_');
  return name;
}

}  // namespace pnflow
