// Limiter regions, and how many messages and threads a run has.

#include <algorithm>
#include <numeric>
#include <thread>

#include "graph/plan_draft.h"

namespace pnflow {

namespace {

// Room for the message that a source is about to receive, and for one that is on its way between
// nodes.
constexpr int slots_beside_the_nodes = 2;

int capacity_of(const DraftNode& gate) {
  const auto node = gate.planned.type->make(gate.planned.params.get());
  return dynamic_cast<const Gate&>(*node).capacity();
}

// What one node adds to the window: a limiter its capacity; before the first limiter, a worker the
// message that it works on.
int slots_of(const Draft& draft, std::size_t n) {
  const DraftNode& node = draft.nodes[n];
  if (node.is(NodeKind::gate)) return node.params_good ? capacity_of(node) : 0;
  if (node.is(NodeKind::source) || !node.known()) return 0;
  for (std::size_t a = 0; a < draft.nodes.size(); ++a) {
    if (draft.upstream[n][a] && draft.nodes[a].is(NodeKind::gate)) return 0;
  }
  return node.planned.workers;
}

// The slots of the path from `source` that needs most; what an earlier path has counted is free.
int take_largest_path(const Draft& draft, std::size_t source, std::vector<int>& slots) {
  const std::size_t count = draft.nodes.size();
  std::vector<int> best(count, -1);
  std::vector<std::size_t> before(count, count);
  best[source] = slots[source];
  std::size_t end = source;
  for (std::size_t n = source; n < count; ++n) {
    if (best[n] < 0) continue;
    if (best[n] > best[end]) end = n;
    for (const std::size_t next : draft.nodes[n].planned.to) {
      if (best[n] + slots[next] <= best[next]) continue;
      best[next] = best[n] + slots[next];
      before[next] = n;
    }
  }
  for (std::size_t n = end; n != count; n = before[n]) slots[n] = 0;
  return best[end];
}

int default_window(const Draft& draft) {
  std::vector<int> slots(draft.nodes.size());
  for (std::size_t n = 0; n < slots.size(); ++n) slots[n] = slots_of(draft, n);
  int sum = slots_beside_the_nodes;
  int sources = 0;
  for (std::size_t n = 0; n < slots.size(); ++n) {
    if (!draft.is_source(n)) continue;
    ++sources;
    sum += take_largest_path(draft, n, slots);
  }
  return std::max(sum, sources);
}

void check_gate(Draft& draft, std::size_t n, int window) {
  const DraftNode& gate = draft.nodes[n];
  const auto error = [&](std::string_view key, std::string why, std::string hint) {
    draft.diagnostics.error(
        gate.mark_of(key), fmt::format("{} has no effect: {}", gate.label(), why), std::move(hint));
  };
  const auto is_gate = [&](std::size_t next) { return draft.nodes[next].is(NodeKind::gate); };
  if (!gate.planned.to.empty() && std::ranges::all_of(gate.planned.to, is_gate)) {
    error("type",
          fmt::format("limiter '{}' follows at once, and ends its region",
                      draft.nodes[gate.planned.to.front()].planned.name),
          "a limiter bounds the messages between it and the next");
  }
  if (!draft.topology.window || !gate.params_good) return;
  if (const int capacity = capacity_of(gate); capacity >= window) {
    error("capacity", fmt::format("its capacity {} is not below the window {}", capacity, window),
          "leave 'window' out, and it is made large enough for all limiters");
  }
}

}  // namespace

void draft_regions(Draft& draft) {
  for (DraftNode& node : draft.nodes) {
    std::optional<std::optional<std::size_t>> region;
    for (const std::size_t before : node.planned.from) {
      const auto there = draft.nodes[before].is(NodeKind::gate) ? std::optional(before)
                                                                : draft.nodes[before].planned.gate;
      if (!region) region = there;
      if (*region != there) region = std::optional<std::size_t>{};
    }
    node.planned.gate = region.value_or(std::nullopt);
  }
  for (std::size_t n = 0; n < draft.nodes.size(); ++n) {
    if (!draft.nodes[n].planned.ordered) continue;
    for (std::size_t a = 0; a < n; ++a) {
      if (draft.upstream[n][a] && draft.nodes[a].is(NodeKind::gate))
        draft.nodes[a].planned.resequence = true;
    }
  }
}

int draft_window(Draft& draft) {
  const int window = draft.topology.window.value_or(default_window(draft));
  const auto is_source = [](const DraftNode& node) { return node.is(NodeKind::source); };
  const auto sources = std::ranges::count_if(draft.nodes, is_source);
  if (window < sources) {
    draft.diagnostics.error(
        draft.topology.window_mark,
        fmt::format("window {} is smaller than the number of sources, {}", window, sources),
        "every source holds a slot of the window while it waits for a message");
  }
  for (std::size_t n = 0; n < draft.nodes.size(); ++n) {
    if (draft.nodes[n].is(NodeKind::gate)) check_gate(draft, n, window);
  }
  return window;
}

int draft_threads(const Draft& draft) {
  if (draft.topology.threads) return *draft.topology.threads;
  const int bodies =
      std::accumulate(draft.nodes.begin(), draft.nodes.end(), 0, [](int sum, const DraftNode& n) {
        return n.is(NodeKind::source) || n.is(NodeKind::gate) ? sum : sum + n.planned.workers;
      });
  return std::clamp(bodies, 1, std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
}

}  // namespace pnflow
