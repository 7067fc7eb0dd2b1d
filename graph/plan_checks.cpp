// Decoders, and the common keys of nodes where they mean nothing or cannot hold.

#include <algorithm>
#include <set>

#include "graph/plan_draft.h"

namespace pnflow {

namespace {

std::string names_text(const Draft& draft, const std::vector<std::size_t>& nodes) {
  std::string text;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (i != 0) text += i + 1 == nodes.size() ? " and " : ", ";
    text += fmt::format("'{}'", draft.nodes[nodes[i]].planned.name);
  }
  return text;
}

bool opens_events(const DraftNode& node) {
  return node.known() && node.planned.type->spec.opens_events;
}

void check_workers(Draft& draft, DraftNode& node) {
  const NodeType& type = *node.planned.type;
  node.planned.workers = node.keys.workers.value_or(default_workers(type));
  if (node.planned.workers == 1 || type.parallel) return;
  node.planned.workers = 1;
  std::string reason = "processes one message at a time";
  if (type.kind == NodeKind::source) reason = "is a source, which has one thread of its own";
  if (type.kind == NodeKind::gate) reason = "is a limiter, which does no work";
  if (type.kind == NodeKind::async_transform) reason = "works on its own threads, not on workers";
  draft.diagnostics.error(
      node.mark_of("workers"),
      fmt::format("'workers' cannot be more than 1: {} {}", node.label(), reason));
}

void check_ordered(Draft& draft, std::size_t n) {
  DraftNode& node = draft.nodes[n];
  if (!node.keys.ordered) return;
  node.planned.ordered = node.planned.resequence = true;
  const auto error = [&](std::string_view why, std::string hint = {}) {
    draft.diagnostics.error(node.mark_of("ordered"),
                            fmt::format("'ordered' cannot hold: {} {}", node.label(), why),
                            std::move(hint));
  };
  if (node.is(NodeKind::source)) return error("is a source, and its messages define the order");
  if (node.is(NodeKind::gate)) {
    return error("is a limiter", "a limiter keeps the order when a node behind it is ordered");
  }
  if (const auto sources = draft.sources_of(n); sources.size() > 1) {
    return error(fmt::format("gets the messages of {} sources, {}", sources.size(),
                             names_text(draft, sources)),
                 "there is an order within one source only");
  }
  if (!node.is(NodeKind::sink)) return;
  if (node.keys.workers.value_or(1) > 1) {
    return error(fmt::format("prepares {} messages at once", *node.keys.workers),
                 "an ordered sink has workers: 1");
  }
  node.planned.workers = 1;
}

bool gives_wire(const DraftNode& source) {
  return std::ranges::any_of(source.planned.type->spec.adds, [&](const FieldSpec& add) {
    return add.name == "wire" && (!source.params_good || add.applies(source.planned.params.get()));
  });
}

void check_on_error(Draft& draft, std::size_t n) {
  DraftNode& node = draft.nodes[n];
  const auto sources = draft.sources_of(n);
  const bool has_wire =
      std::ranges::any_of(sources, [&](std::size_t s) { return gives_wire(draft.nodes[s]); });
  node.planned.on_error = node.keys.on_error.value_or(node.planned.type->spec.default_on_error);
  const bool keeps = node.planned.on_error == OnError::keep;
  // By default it keeps what there is to keep.
  if (!node.keys.on_error && keeps && !has_wire) node.planned.on_error = OnError::skip;
  if (!node.keys.on_error) return;
  if (node.is(NodeKind::source) || node.is(NodeKind::gate)) {
    draft.diagnostics.error(
        node.mark_of("on_error"),
        fmt::format("{} does not process messages, so it has no 'on_error'", node.label()));
  } else if (keeps && !has_wire && !sources.empty()) {
    draft.diagnostics.error(
        node.mark_of("on_error"),
        fmt::format("'on_error: keep' of {} has nothing to store: {} {} no field 'wire'",
                    node.label(), names_text(draft, sources),
                    sources.size() == 1 ? "gives" : "give"),
        "only sources that receive bytes give it");
  } else if (node.planned.on_error == OnError::wait && !node.planned.type->spec.can_wait) {
    draft.diagnostics.error(
        node.mark_of("on_error"),
        fmt::format("{} has nothing to wait for: 'on_error: wait' is for writers of files",
                    node.label()));
  }
}

void check_observer(Draft& draft, DraftNode& node) {
  const bool by_default = node.is(NodeKind::sink) && node.planned.type->spec.default_observer;
  node.planned.observer = node.keys.observer.value_or(by_default);
  if (!node.planned.observer || node.is(NodeKind::sink)) return;
  draft.diagnostics.error(node.mark_of("observer"),
                          fmt::format("'observer' is for sinks, and {} is none", node.label()));
}

// Somebody has to decide on the fate of every event.
void check_deciders(Draft& draft, std::size_t source) {
  std::vector<std::size_t> sinks;
  for (std::size_t n = 0; n < draft.nodes.size(); ++n) {
    if (draft.upstream[n][source] && draft.nodes[n].is(NodeKind::sink)) sinks.push_back(n);
  }
  const auto observes = [&](std::size_t n) { return draft.nodes[n].planned.observer; };
  if (sinks.empty() || !std::ranges::all_of(sinks, observes)) return;
  draft.diagnostics.error(
      draft.nodes[source].written->mark,
      fmt::format("nobody decides on the events of {}: all its sinks ({}) are observers",
                  draft.nodes[source].label(), names_text(draft, sinks)),
      "'observer: false' lets a sink decide");
}

}  // namespace

void check_common_keys(Draft& draft) {
  for (std::size_t n = 0; n < draft.nodes.size(); ++n) {
    DraftNode& node = draft.nodes[n];
    if (!node.known()) continue;
    check_workers(draft, node);
    check_ordered(draft, n);
    check_on_error(draft, n);
    check_observer(draft, node);
  }
  for (std::size_t n = 0; n < draft.nodes.size(); ++n) {
    if (draft.is_source(n)) check_deciders(draft, n);
  }
}

void check_decoders(Draft& draft) {
  std::vector<std::set<std::size_t>> openers(draft.nodes.size());  // at each node's output
  std::map<std::size_t, std::size_t> first_decoder;                // of each source
  for (std::size_t n = 0; n < draft.nodes.size(); ++n) {
    std::set<std::size_t>& here = openers[n];
    for (const std::size_t before : draft.from(n))
      here.insert(openers[before].begin(), openers[before].end());
    const DraftNode& node = draft.nodes[n];
    if (!opens_events(node)) continue;
    if (!here.empty()) {
      draft.diagnostics.error(
          node.written->mark,
          fmt::format("{} gives events to messages that have got theirs from '{}'", node.label(),
                      draft.nodes[*here.begin()].planned.name),
          "a message is decoded once");
    }
    for (const std::size_t source :
         here.empty() ? draft.sources_of(n) : std::vector<std::size_t>{}) {
      const auto [first, fresh] = first_decoder.emplace(source, n);
      if (fresh) continue;
      const std::string& other = draft.nodes[first->second].planned.name;
      draft.diagnostics.error(
          node.written->mark,
          fmt::format(
              "two decoders, '{}' and '{}', give events to the messages of '{}', on different "
              "branches",
              other, node.planned.name, draft.nodes[source].planned.name),
          fmt::format("put the fan-out behind one decoder: {} -> one branch, the other",
                      draft.path_text(source, first->second)));
    }
    here.insert(n);
  }
}

}  // namespace pnflow
