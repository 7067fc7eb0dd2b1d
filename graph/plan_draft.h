#pragma once

// The plan while it is being checked: what the parts of make_plan() share. Each part reports what
// it finds and leaves a draft that the next can work on, so that one fault does not hide another,
// nor bring up faults that are only its echo.

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "graph/common_keys.h"
#include "graph/plan.h"

namespace pnflow {

struct DraftNode {
  const Topology::Node* written = nullptr;
  PlannedNode planned;
  CommonKeys keys;
  bool params_good = false;  // parsed without a fault
  bool on_cycle = false;
  bool excused = false;  // an edge of it could not be read: it may lack some

  bool known() const { return planned.type != nullptr; }
  bool is(NodeKind kind) const { return known() && planned.type->kind == kind; }
  // "node 'q1' (limiter)": how messages call it.
  std::string label() const {
    return fmt::format("node '{}' ({})", planned.name,
                       known() ? planned.type->name : written->type);
  }
  // Where a common key stands that was given; otherwise the node's name.
  Mark mark_of(std::string_view key) const {
    const auto* entry = written->settings.find_entry(key);
    return entry != nullptr ? entry->key_mark : written->mark;
  }
};

struct Draft {
  Draft(const Topology& written, const Registry& types, Diagnostics& sink)
      : topology(written), registry(types), diagnostics(sink) {}

  const Topology& topology;
  const Registry& registry;
  Diagnostics& diagnostics;
  std::vector<DraftNode> nodes;  // as in the file; from draft_order() on, sorted
  std::map<std::string, std::size_t, std::less<>> by_name;
  std::vector<Mark> faulty;                 // settings that have been found wrong
  std::vector<std::vector<bool>> upstream;  // upstream[n][a]: a is n or stands before it

  std::vector<std::size_t>& to(std::size_t n) { return nodes[n].planned.to; }
  std::vector<std::size_t>& from(std::size_t n) { return nodes[n].planned.from; }
  bool all_known() const;  // every type was found
  bool is_source(std::size_t n) const { return nodes[n].is(NodeKind::source); }
  std::vector<std::size_t> sources_of(std::size_t n) const;
  // One path from `a` to `b`, both included: "a -> x -> b".
  std::string path_text(std::size_t a, std::size_t b) const;
};

void draft_nodes(Draft& draft);         // plan_nodes.cpp: types, parameters, common keys, detector
void draft_edges(Draft& draft);         // plan_edges.cpp: names, doubles, ends
void draft_order(Draft& draft);         // plan_paths.cpp: cycles; sorts the nodes, fills `upstream`
void check_diamonds(Draft& draft);      // plan_paths.cpp
void check_fields(Draft& draft);        // plan_fields.cpp
void check_decoders(Draft& draft);      // plan_checks.cpp
void check_common_keys(Draft& draft);   // plan_checks.cpp: workers, ordered, on_error, observer
void draft_regions(Draft& draft);       // plan_window.cpp: gates, resequencing
int draft_window(Draft& draft);         // plan_window.cpp; checks it against the gates
int draft_threads(const Draft& draft);  // plan_window.cpp
Value resolved_config(const Plan& plan, const Topology& topology);  // plan_resolved.cpp

}  // namespace pnflow
