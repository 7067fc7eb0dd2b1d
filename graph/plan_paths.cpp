// The order of the nodes, and the shapes that a graph may not have: cycles and diamonds.

#include <algorithm>
#include <cstdint>

#include "graph/plan_draft.h"

namespace pnflow {

namespace {

Mark edge_mark(const Draft& draft, const std::string& from, const std::string& to) {
  for (const Topology::Edge& edge : draft.topology.edges) {
    if (edge.from == from && edge.to == to) return edge.to_mark;
  }
  return {};
}

// Walks the graph depth first; an edge back to a node of the path that led here closes a cycle. It
// is reported and taken out, so that what follows works on a graph without cycles.
class CycleCutter {
 public:
  explicit CycleCutter(Draft& draft) : draft_(draft), state_(draft.nodes.size(), State::fresh) {}

  void cut_all() {
    for (std::size_t n = 0; n < draft_.nodes.size(); ++n) {
      if (state_[n] == State::fresh) visit(n);
    }
  }

 private:
  enum class State : std::uint8_t { fresh, on_path, done };

  void visit(std::size_t n) {
    state_[n] = State::on_path;
    path_.push_back(n);
    std::erase_if(draft_.to(n), [&](std::size_t next) {
      if (state_[next] == State::on_path) {
        report(next);
        std::erase(draft_.from(next), n);
        return true;
      }
      if (state_[next] == State::fresh) visit(next);
      return false;
    });
    path_.pop_back();
    state_[n] = State::done;
  }

  void report(std::size_t start) {
    std::string text;
    for (auto it = std::ranges::find(path_, start); it != path_.end(); ++it) {
      draft_.nodes[*it].on_cycle = true;
      text += draft_.nodes[*it].planned.name + " -> ";
    }
    const std::string& name = draft_.nodes[start].planned.name;
    draft_.diagnostics.error(edge_mark(draft_, draft_.nodes[path_.back()].planned.name, name),
                             fmt::format("a cycle: {}{}", text, name),
                             "a message goes forward only, from a source to a sink");
  }

  Draft& draft_;
  std::vector<State> state_;
  std::vector<std::size_t> path_;
};

// Every node after those before it; among equals, as in the file.
std::vector<std::size_t> sorted_indices(Draft& draft) {
  std::vector<std::size_t> waiting(draft.nodes.size());
  for (std::size_t n = 0; n < waiting.size(); ++n) waiting[n] = draft.from(n).size();
  std::vector<bool> placed(waiting.size());
  std::vector<std::size_t> order;
  while (order.size() < waiting.size()) {
    for (std::size_t n = 0; n < waiting.size(); ++n) {
      if (placed[n] || waiting[n] != 0) continue;
      placed[n] = true;
      order.push_back(n);
      for (const std::size_t next : draft.to(n)) --waiting[next];
      break;
    }
  }
  return order;
}

void apply_order(Draft& draft, const std::vector<std::size_t>& order) {
  std::vector<std::size_t> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  std::vector<DraftNode> sorted;
  for (const std::size_t n : order) sorted.push_back(std::move(draft.nodes[n]));
  for (DraftNode& node : sorted) {
    for (std::size_t& n : node.planned.from) n = place[n];
    for (std::size_t& n : node.planned.to) n = place[n];
  }
  draft.nodes = std::move(sorted);
  for (auto& [name, n] : draft.by_name) n = place[n];
}

void check_diamond_at(Draft& draft, std::size_t n) {
  const auto& from = draft.from(n);
  for (std::size_t j = 1; j < from.size(); ++j) {
    for (std::size_t i = 0; i < j; ++i) {
      // The nearest node from which both come: nodes are sorted, so the last one.
      for (std::size_t a = n; a-- > 0;) {
        if (!draft.upstream[from[i]][a] || !draft.upstream[from[j]][a]) continue;
        const std::string& name = draft.nodes[n].planned.name;
        draft.diagnostics.error(
            edge_mark(draft, draft.nodes[from[j]].planned.name, name),
            fmt::format("a diamond: two paths from '{}' meet again at '{}': {} -> {} and {} -> {}",
                        draft.nodes[a].planned.name, name, draft.path_text(a, from[i]), name,
                        draft.path_text(a, from[j]), name),
            fmt::format(
                "a node adds fields to the batch: with all of them in one chain, '{}' finds the "
                "results of both",
                name));
        return;
      }
    }
  }
}

}  // namespace

std::vector<std::size_t> Draft::sources_of(std::size_t n) const {
  std::vector<std::size_t> found;
  for (std::size_t a = 0; a < nodes.size(); ++a) {
    if (upstream[n][a] && is_source(a)) found.push_back(a);
  }
  return found;
}

std::string Draft::path_text(std::size_t a, std::size_t b) const {
  if (a == b) return nodes[a].planned.name;
  for (const std::size_t before : nodes[b].planned.from) {
    if (upstream[before][a]) return path_text(a, before) + " -> " + nodes[b].planned.name;
  }
  return nodes[b].planned.name;
}

void draft_order(Draft& draft) {
  CycleCutter(draft).cut_all();
  apply_order(draft, sorted_indices(draft));
  const std::size_t count = draft.nodes.size();
  draft.upstream.assign(count, std::vector<bool>(count));
  for (std::size_t n = 0; n < count; ++n) {
    draft.upstream[n][n] = true;
    for (const std::size_t before : draft.from(n)) {
      for (std::size_t a = 0; a < count; ++a) {
        if (draft.upstream[before][a]) draft.upstream[n][a] = true;
      }
    }
  }
}

void check_diamonds(Draft& draft) {
  for (std::size_t n = 0; n < draft.nodes.size(); ++n) check_diamond_at(draft, n);
}

}  // namespace pnflow
