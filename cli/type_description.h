#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "graph/registry.h"

namespace pnflow {

// All that the description of a node type says, for people and for programs.
std::string type_text(const NodeType& type);
nlohmann::ordered_json type_json(const NodeType& type);

}  // namespace pnflow
