#pragma once

#include <optional>

#include "graph/export.h"
#include "graph/registry.h"
#include "graph/spec.h"

namespace pnflow {

// The keys that the framework gives to the nodes of a graph, beside `type` and the parameters of
// the node's own.
struct CommonKeys {
  std::optional<int> workers;
  bool ordered = false;
  std::optional<OnError> on_error;
  std::optional<bool> observer;
};

// Described like a node's parameters; the struct at `params` is a CommonKeys.
PNFLOW_API const NodeSpec& common_keys();

// Those of them that mean something for a node of this type.
PNFLOW_API ParamSpecs common_keys_of(const NodeType& type);

// Messages that a node of this type processes at once when nobody says how many.
PNFLOW_API int default_workers(const NodeType& type);

// "skip", "keep", "stop" or "wait".
PNFLOW_API std::string_view name_of(OnError policy);

}  // namespace pnflow
