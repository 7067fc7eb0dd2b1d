#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/diagnostics.h"
#include "graph/export.h"
#include "graph/registry.h"
#include "graph/topology.h"

namespace pnflow {

// One node of a validated graph.
struct PlannedNode {
  std::string name;
  const NodeType* type = nullptr;
  std::shared_ptr<void> params;  // parsed and checked
  int workers = 1;               // messages processed at once
  bool ordered = false;          // takes its messages in the order of their source
  bool resequence = false;       // gets a sequencer in front: ordered itself, or a gate
                                 // upstream of a node that is
  bool observer = false;         // a sink that does not touch fates
  OnError on_error = OnError::skip;
  std::vector<std::size_t> from, to;  // indices into Plan::nodes
  std::optional<std::size_t> gate;    // the one gate whose region the node stands in (a gate: the
                                      // one before it); nothing when none, or when paths differ
  std::vector<std::string> fields;    // of what leaves it; "name?" when it is only perhaps there
};

// A graph that has been checked completely and touches nothing yet: what the engine builds from.
struct PNFLOW_API Plan {
  std::string name;
  int window = 0;   // messages alive at once
  int threads = 0;  // of the arena that runs the bodies
  Duration stall_report{};
  std::string keep_directory;
  bool keeps_wire = false;         // some node has on_error: keep
  std::vector<PlannedNode> nodes;  // every node after those before it
  Value resolved;                  // the configuration with all defaults, for the report

  // Sinks that touch fates and can be reached from `source`: so many verdicts decide an event.
  int deciding_sinks(std::size_t source) const;
  // [n]: a message can come from n to `node`. Not from the node itself.
  std::vector<bool> leading_to(std::size_t node) const;
};

// Follows the fields along every path and checks all that can be checked without touching the
// world. Faults go to `diagnostics`; nothing is returned when there is one.
PNFLOW_API std::optional<Plan> make_plan(const Topology& topology, const Registry& registry,
                                         Diagnostics& diagnostics);

// Reads, takes in included files, overrides, plans: what `run` and `validate` do with a file.
// Plugins that it names are loaded into `registry`, those of a relative name from beside the file
// that has it, the current directory or $PNFLOW_PLUGIN_PATH. `name` is the file, as messages call
// it.
PNFLOW_API std::optional<Plan> plan_from_text(const std::string& name, std::string_view text,
                                              const std::vector<std::string>& overrides,
                                              Registry& registry, Diagnostics& diagnostics);

}  // namespace pnflow
