#pragma once

#include "graph/diagnostics.h"
#include "graph/topology.h"
#include "graph/value.h"

namespace pnflow {

// Adds the edges of one chain: groups of node names between arrows, "a -> b, c -> d", where every
// node of a group leads to every node of the next. What cannot be read is a fault, and its names
// count as half connected, so that nobody complains of the edges that they lack.
void read_chain(const Value& chain, Topology& topology, Diagnostics& diagnostics);

}  // namespace pnflow
