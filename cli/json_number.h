#pragma once

#include <cmath>
#include <nlohmann/json.hpp>

namespace pnflow {

// null for what is not finite: JSON has no number for it.
inline nlohmann::ordered_json json_number(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nullptr;
}

}  // namespace pnflow
