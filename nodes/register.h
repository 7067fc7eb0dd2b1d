#pragma once

namespace pnflow {

class Registry;

// Adds every node type that pnflow brings, and the engines that need no module. The one place where
// a new node type is named.
void register_builtin_nodes(Registry& registry);

}  // namespace pnflow
