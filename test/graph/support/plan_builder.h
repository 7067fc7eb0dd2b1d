#pragma once

#include "graph/plan.h"
#include "test/graph/support/engine_nodes.h"

namespace pnflow::test {

// A plan made by hand, so that tests of the engine need no YAML.
class PlanBuilder {
 public:
  explicit PlanBuilder(int window = 8) {
    registry.add<Counting>("counting");
    registry.add<Decoding>("decoding");
    registry.add<Working>("working");
    registry.add<Answering>("answering");
    registry.add<Collecting>("collecting");
    registry.add<Limit>("limit");
    plan.name = "test";
    plan.window = window;
    plan.threads = 3;
    plan.resolved.kind = Value::Kind::map;
  }

  // Adds a node behind `from`; the nodes must come in topological order.
  template <class P>
  std::size_t add(const std::string& type, P params, const std::vector<std::size_t>& from = {},
                  int workers = 1, bool ordered = false) {
    PlannedNode node;
    node.name = type + std::to_string(plan.nodes.size());
    node.type = registry.find(type);
    node.params = std::make_shared<P>(std::move(params));
    node.workers = workers;
    node.ordered = node.resequence = ordered;
    node.from = from;
    const std::size_t index = plan.nodes.size();
    for (const std::size_t before : from) {
      plan.nodes[before].to.push_back(index);
      const bool is_gate = plan.nodes[before].type->kind == NodeKind::gate;
      node.gate = is_gate ? std::optional(before) : plan.nodes[before].gate;
    }
    plan.nodes.push_back(std::move(node));
    if (ordered) order_gates(index);
    return index;
  }

  // Gates upstream of an ordered node admit in order.
  void order_gates(std::size_t index) {
    for (const std::size_t before : plan.nodes[index].from) {
      if (plan.nodes[before].type->kind == NodeKind::gate) plan.nodes[before].resequence = true;
      order_gates(before);
    }
  }

  Registry registry;
  Plan plan;
};

}  // namespace pnflow::test
