#pragma once

#include "graph/registry.h"

namespace pnflow {

// Offers the engines that need neither LibTorch nor a GPU: threshold and none.
void register_builtin_engines(Registry& registry);

}  // namespace pnflow
