#pragma once

#include <string>

#include "graph/diagnostics.h"
#include "graph/export.h"
#include "graph/value.h"

namespace pnflow {

// Takes in the files that the key `include` of a graph names, one or a list, and removes the key.
// Names are relative to the file that they stand in, `file` for the graph itself. Maps are merged
// key by key, however deep; for anything else the file that includes goes before what it includes,
// and a later file of a list before an earlier one. Included files may include others.
// Faults: a file that cannot be read, that includes itself, or that has a key twice; those of an
// included file stand where they are in that file.
PNFLOW_API void take_in_includes(Value& graph, const std::string& file, Diagnostics& diagnostics);

}  // namespace pnflow
