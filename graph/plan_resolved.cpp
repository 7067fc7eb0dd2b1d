// The configuration with all defaults: what runs, as a graph file would say it.

#include <utility>

#include "graph/plan_draft.h"

namespace pnflow {

namespace {

Value new_value(Value::Kind kind) {
  Value value;
  value.kind = kind;
  return value;
}

Value number(int n) { return scalar_value(std::to_string(n)); }

void add(Value& map, std::string key, Value value) {
  map.entries.push_back({std::move(key), {}, std::move(value)});
}

Value resolved_node(const PlannedNode& node) {
  Value map = new_value(Value::Kind::map);
  add(map, "type", scalar_value(node.type->name));
  CommonKeys keys{node.workers, node.ordered, node.on_error, node.observer};
  for (const auto& key : common_keys_of(*node.type)) add(map, key->name, key->show(&keys));
  Value params = show_params(node.type->spec.params, node.params.get());
  for (auto& entry : params.entries) map.entries.push_back(std::move(entry));
  return map;
}

}  // namespace

Value resolved_config(const Plan& plan, const Topology& topology) {
  Value root = new_value(Value::Kind::map);
  add(root, "pnflow", number(1));
  add(root, "name", scalar_value(plan.name, true));
  add(root, "window", number(plan.window));
  add(root, "threads", number(plan.threads));
  add(root, "stall_report", scalar_value(to_string(plan.stall_report)));
  add(root, "keep_directory", scalar_value(plan.keep_directory, true));
  if (!topology.plugins.empty()) {
    Value plugins = new_value(Value::Kind::list);
    for (const auto& [file, mark] : topology.plugins)
      plugins.items.push_back(scalar_value(file, true));
    add(root, "plugins", std::move(plugins));
  }
  Value nodes = new_value(Value::Kind::map);
  for (const PlannedNode& node : plan.nodes) add(nodes, node.name, resolved_node(node));
  add(root, "nodes", std::move(nodes));
  Value edges = new_value(Value::Kind::list);
  for (const PlannedNode& node : plan.nodes) {
    for (const std::size_t to : node.to) {
      edges.items.push_back(scalar_value(node.name + " -> " + plan.nodes[to].name));
    }
  }
  add(root, "edges", std::move(edges));
  return root;
}

}  // namespace pnflow
