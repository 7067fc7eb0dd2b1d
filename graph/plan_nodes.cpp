// Types, parameters and common keys of the nodes, and the parameters that `detector` shares out.

#include <algorithm>

#include "graph/plan_draft.h"

namespace pnflow {

namespace {

std::vector<std::string> names_of(const ParamSpecs& specs) {
  std::vector<std::string> names;
  for (const auto& spec : specs) names.push_back(spec->name);
  return names;
}

const NodeType* find_type(Draft& draft, const Topology::Node& written) {
  if (written.type.empty()) return nullptr;
  const NodeType* type = draft.registry.find(written.type);
  if (type == nullptr) {
    draft.diagnostics.error(
        written.type_mark,
        fmt::format("unknown type '{}' of node '{}'", written.type, written.name),
        suggest(written.type, draft.registry.types()));
  }
  return type;
}

// The parameters of a node that `detector` may give.
std::vector<std::string> shared_names(const NodeType& type) {
  ParamSpecs shared = type.spec.params;
  std::erase_if(shared, [](const auto& param) { return !param->shared; });
  return names_of(shared);
}

// The node's map, and what `detector` adds to it.
Value settings_of(const Draft& draft, const DraftNode& node) {
  Value settings = node.written->settings;
  const auto takes = shared_names(*node.planned.type);
  for (const auto& shared : draft.topology.detector.entries) {
    const bool taken = std::ranges::find(takes, shared.key) != takes.end();
    if (taken && settings.find(shared.key) == nullptr) settings.entries.push_back(shared);
  }
  return settings;
}

// A setting that several nodes share (of `detector`, of an alias) is reported once.
void report(Draft& draft, ParamFaults faults) {
  std::erase_if(faults, [&](const ParamFault& fault) {
    return std::ranges::find(draft.faulty, fault.at) != draft.faulty.end();
  });
  for (auto& fault : faults) {
    draft.faulty.push_back(fault.at);
    draft.diagnostics.error(fault.at, std::move(fault.message), std::move(fault.hint));
  }
}

void set_common_keys(Draft& draft, DraftNode& node) {
  const Value& settings = node.written->settings;
  Value common;
  common.kind = Value::Kind::map;
  for (const auto& key : common_keys().params) {
    // The first only: what is repeated has been reported with the node's own parameters.
    if (const auto* entry = settings.find_entry(key->name)) common.entries.push_back(*entry);
  }
  ParamFaults faults;
  set_params(common_keys().params, &node.keys, common, node.written->mark, node.label(), {},
             faults);
  report(draft, std::move(faults));
}

void set_node(Draft& draft, DraftNode& node) {
  const NodeType& type = *node.planned.type;
  auto reserved = names_of(common_keys().params);
  reserved.emplace_back("type");
  ParamFaults faults;
  node.planned.params = type.new_params();
  set_checked(type.spec, node.planned.params.get(), settings_of(draft, node), node.written->mark,
              node.label(), reserved, faults);
  node.params_good = faults.empty();
  report(draft, std::move(faults));
  set_common_keys(draft, node);
}

void check_detector(Draft& draft) {
  if (!draft.all_known()) return;
  std::vector<std::string> known;
  for (const DraftNode& node : draft.nodes) {
    const auto names = shared_names(*node.planned.type);
    known.insert(known.end(), names.begin(), names.end());
  }
  std::ranges::sort(known);
  const auto doubles = std::ranges::unique(known);
  known.erase(doubles.begin(), doubles.end());
  std::map<std::string_view, Mark> seen;
  for (const auto& entry : draft.topology.detector.entries) {
    const auto [first, fresh] = seen.emplace(entry.key, entry.key_mark);
    if (!fresh) {
      draft.diagnostics.error(
          entry.key_mark, fmt::format("key '{}' of 'detector' is repeated", entry.key),
          fmt::format("it is already at {}:{}", first->second.line, first->second.column));
    } else if (!std::ranges::binary_search(known, entry.key)) {
      const auto near = nearest(entry.key, known);
      draft.diagnostics.error(
          entry.key_mark, fmt::format("no node of this graph takes '{}' of 'detector'", entry.key),
          near ? fmt::format("did you mean '{}'?", *near) : "");
    }
  }
}

}  // namespace

bool Draft::all_known() const { return std::ranges::all_of(nodes, &DraftNode::known); }

void draft_nodes(Draft& draft) {
  for (const Topology::Node& written : draft.topology.nodes) {
    DraftNode node;
    node.written = &written;
    node.planned.name = written.name;
    node.planned.type = find_type(draft, written);
    node.excused = draft.topology.half_connected.contains(written.name);
    if (node.known()) set_node(draft, node);
    draft.by_name.emplace(written.name, draft.nodes.size());
    draft.nodes.push_back(std::move(node));
  }
  check_detector(draft);
}

}  // namespace pnflow
