#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/diagnostics.h"
#include "graph/export.h"
#include "graph/units.h"
#include "graph/value.h"

namespace pnflow {

// A graph as its author wrote it: names, keys and edges with their positions, nothing looked up.
struct Topology {
  struct Node {
    std::string name;
    Mark mark;         // of the name
    std::string type;  // empty when it is missing or wrong, which has been reported
    Mark type_mark;
    Value settings;  // the node's map, all keys
  };
  struct Edge {
    std::string from, to;
    Mark from_mark, to_mark;  // of the names in the chain
  };

  std::string name;  // empty: not given
  std::optional<int> window;
  Mark window_mark;
  std::optional<int> threads;
  Duration stall_report = std::chrono::seconds(30);  // 0: never
  std::string keep_directory = "kept";               // for on_error: keep
  std::vector<std::pair<std::string, Mark>> plugins;
  Value detector;  // parameters that serve every node that has none of its own
  std::vector<Node> nodes;
  Mark nodes_mark;
  std::vector<Edge> edges;
  std::set<std::string> half_connected;  // nodes in chains that could not be read
};

// Reads the top level of a graph whose `include` has been taken in. Keys: pnflow (version of the
// language, 1), name, window, threads, stall_report, keep_directory, plugins, detector, nodes,
// edges. An edge is a chain, "a -> b -> c"; "a -> b, c" fans out and "a, b -> c" merges. Faults go
// to `diagnostics`.
PNFLOW_API Topology read_topology(const Value& root, Diagnostics& diagnostics);

}  // namespace pnflow
