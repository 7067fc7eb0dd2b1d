#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cli/gpu_overview.h"

namespace pnflow {

// The overview for people, and for programs: sizes there are bytes, speeds bytes a second.
std::string gpu_text(const GpuOverview& overview);
nlohmann::ordered_json gpu_json(const GpuOverview& overview);

}  // namespace pnflow
