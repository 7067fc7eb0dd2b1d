#pragma once

#include <spdlog/spdlog.h>

#include <memory>

#include "graph/export.h"

namespace pnflow {

// The program's log: lines to stderr, "12:01:02.345 info  decode: ...". Thread-safe. Nodes log
// through their Context; this is for the framework and the command line.
inline constexpr const char* log_pattern = "%H:%M:%S.%e %-7l %v";
PNFLOW_API const std::shared_ptr<spdlog::logger>& logger();

}  // namespace pnflow
