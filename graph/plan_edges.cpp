// Edges between nodes that are there, each once, and no loose ends.

#include <algorithm>

#include "graph/plan_draft.h"

namespace pnflow {

namespace {

std::string place(Mark mark) { return fmt::format("{}:{}", mark.line, mark.column); }

std::string types_of_kind(const Registry& registry, NodeKind kind) {
  std::string names;
  for (const std::string& name : registry.types()) {
    if (registry.find(name)->kind == kind) names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

// The node that an edge names; nothing, and a fault, when there is none. The node that was probably
// meant is not to be blamed for having no edge.
std::optional<std::size_t> find_end(Draft& draft, const std::string& name, Mark mark) {
  const auto found = draft.by_name.find(name);
  if (found != draft.by_name.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, index] : draft.by_name) names.push_back(known);
  draft.diagnostics.error(mark, fmt::format("an edge names '{}', which is not a node", name),
                          suggest(name, names));
  if (const auto meant = nearest(name, names)) draft.nodes[draft.by_name.at(*meant)].excused = true;
  return {};
}

// Whether an edge may leave the one and enter the other.
bool may_connect(Draft& draft, const Topology::Edge& edge, std::size_t from, std::size_t to) {
  const bool leaves_sink = draft.nodes[from].is(NodeKind::sink);
  const bool enters_source = draft.nodes[to].is(NodeKind::source);
  if (leaves_sink) {
    draft.diagnostics.error(
        edge.from_mark, fmt::format("an edge leads out of {}, a sink", draft.nodes[from].label()),
        "a sink ends its path; a second path begins at a node before it");
  }
  if (enters_source) {
    draft.diagnostics.error(edge.to_mark,
                            fmt::format("an edge leads into {}, a source", draft.nodes[to].label()),
                            "a source begins a path");
  }
  return !leaves_sink && !enters_source;
}

void connect(Draft& draft) {
  std::map<std::pair<std::size_t, std::size_t>, Mark> seen;
  for (const Topology::Edge& edge : draft.topology.edges) {
    const auto from = find_end(draft, edge.from, edge.from_mark);
    const auto to = find_end(draft, edge.to, edge.to_mark);
    if (from && to) {
      const auto [first, fresh] = seen.emplace(std::pair(*from, *to), edge.to_mark);
      if (!fresh) {
        draft.diagnostics.error(
            edge.to_mark, fmt::format("the edge '{} -> {}' is there twice", edge.from, edge.to),
            fmt::format(
                "first at {}; a second path is written from the node on where it leaves the "
                "first",
                place(first->second)));
        continue;
      }
      if (may_connect(draft, edge, *from, *to)) {
        draft.to(*from).push_back(*to);
        draft.from(*to).push_back(*from);
        continue;
      }
    }
    if (from) draft.nodes[*from].excused = true;
    if (to) draft.nodes[*to].excused = true;
  }
}

void check_ends(Draft& draft, std::size_t n, bool has_source, bool has_sink) {
  const DraftNode& node = draft.nodes[n];
  const bool begins = node.planned.from.empty();
  const bool ends = node.planned.to.empty();
  const auto error = [&](std::string message, std::string hint = {}) {
    draft.diagnostics.error(node.written->mark, std::move(message), std::move(hint));
  };
  if (node.excused) return;
  if (begins && ends) {
    error(fmt::format("node '{}' is not connected: no edge names it", node.planned.name));
    return;
  }
  if (!node.known()) return;
  if (ends && !node.is(NodeKind::sink) && has_sink) {
    error(fmt::format("nothing follows {}, and only a sink ends a path", node.label()),
          fmt::format("sinks: {}", types_of_kind(draft.registry, NodeKind::sink)));
  }
  if (begins && !node.is(NodeKind::source) && has_source) {
    error(fmt::format("nothing leads to {}, and only a source begins a path", node.label()),
          fmt::format("sources: {}", types_of_kind(draft.registry, NodeKind::source)));
  }
}

}  // namespace

void draft_edges(Draft& draft) {
  if (draft.nodes.empty()) return;
  connect(draft);
  const auto any = [&](NodeKind kind) {
    return std::ranges::any_of(draft.nodes,
                               [&](const DraftNode& n) { return !n.known() || n.is(kind); });
  };
  const bool has_source = any(NodeKind::source);
  const bool has_sink = any(NodeKind::sink);
  const auto missing = [&](NodeKind kind) {
    draft.diagnostics.error(
        draft.topology.nodes_mark, fmt::format("this graph has no {}", name_of(kind)),
        fmt::format("{}s: {}", name_of(kind), types_of_kind(draft.registry, kind)));
  };
  if (!has_source) missing(NodeKind::source);
  if (!has_sink) missing(NodeKind::sink);
  if (draft.topology.edges.empty() && draft.topology.half_connected.empty()) return;
  for (std::size_t n = 0; n < draft.nodes.size(); ++n) check_ends(draft, n, has_source, has_sink);
}

}  // namespace pnflow
