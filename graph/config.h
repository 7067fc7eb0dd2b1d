#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/diagnostics.h"
#include "graph/export.h"
#include "graph/value.h"

namespace pnflow {

// Reads YAML text (already added to `diagnostics` as text `file`) into a Value: aliases resolved,
// `${NAME}` and `${NAME:-default}` in scalars replaced from the environment (`$${` is a plain `${`;
// a scalar that is nothing but one reference counts as unquoted, because inside braces it has to be
// quoted). Faults (syntax, undefined variable, several documents, a number with a leading zero) go
// to `diagnostics`; what could be read is returned all the same. Repeated keys stay in the map, for
// whoever knows what the map is.
PNFLOW_API Value read_yaml(std::string_view text, int file, Diagnostics& diagnostics);

// The same for a text that begins at `origin` of another one.
PNFLOW_API Value read_yaml_at(std::string_view text, Mark origin, Diagnostics& diagnostics);

// Applies `--set node.param=value` to a graph's configuration: the path's first word is a node
// ("q1.capacity=4", "infer.pad.height=1920"), `detector`, or a key of the top level ("window=8");
// the value is YAML. A node that does not exist is a fault; keys are judged later, like those of
// the file.
PNFLOW_API void apply_override(Value& graph, const std::string& assignment,
                               Diagnostics& diagnostics);

// A configuration as JSON on one line, for the report; and as YAML, one line per node.
PNFLOW_API std::string to_json(const Value& value);
PNFLOW_API std::string to_yaml(const Value& value);

}  // namespace pnflow
