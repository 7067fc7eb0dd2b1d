#include "graph/plan.h"

#include <doctest/doctest.h>

#include "graph/common_keys.h"
#include "graph/config.h"
#include "test/graph/support/plan_nodes.h"

using namespace pnflow;

namespace {

// A plan from the lines of `nodes:` and one chain each of `edges:`.
class Planned {
 public:
  Planned(const std::string& nodes, const std::vector<std::string>& edges,
          const std::string& top = {}) {
    plan_test::add_plan_nodes(registry_);
    std::string text = "pnflow: 1\n" + top + "\nnodes:\n" + nodes + "\nedges:\n";
    for (const auto& edge : edges) text += "  - " + edge + "\n";
    Diagnostics diagnostics;
    plan_ = plan_from_text("graph.yaml", text, {}, registry_, diagnostics);
    CHECK(diagnostics.render() == "");
    REQUIRE(plan_);
  }
  const Plan* operator->() const { return &*plan_; }
  const PlannedNode& operator[](std::string_view name) const { return plan_->nodes[index(name)]; }
  std::size_t index(std::string_view name) const {
    for (std::size_t n = 0; n < plan_->nodes.size(); ++n) {
      if (plan_->nodes[n].name == name) return n;
    }
    throw std::logic_error("no such node");
  }

 private:
  Registry registry_;
  std::optional<Plan> plan_;
};

const std::string chain_nodes =
    "  cxi: { type: writer }\n"
    "  socket: { type: socket, bind: a }\n"
    "  decode: { type: decode }\n"
    "  q1: { type: limiter, capacity: 8 }\n"
    "  model: { type: model }\n"
    "  q2: { type: limiter, capacity: 6 }\n"
    "  peaks: { type: find_peaks }\n";
const std::string chain = "socket -> decode -> q1 -> model -> q2 -> peaks -> cxi";

std::vector<std::string> names_of(const Plan& plan) {
  std::vector<std::string> names;
  for (const auto& node : plan.nodes) names.push_back(node.name);
  return names;
}

}  // namespace

TEST_CASE("a plan has every node after those before it, and knows their gates") {
  const Planned plan(chain_nodes, {chain});
  CHECK(names_of(*plan.operator->()) ==
        std::vector<std::string>{"socket", "decode", "q1", "model", "q2", "peaks", "cxi"});
  CHECK(plan["socket"].from.empty());
  CHECK(plan["cxi"].from == std::vector{plan.index("peaks")});
  CHECK(plan["socket"].to == std::vector{plan.index("decode")});
  CHECK(!plan["decode"].gate);
  CHECK(!plan["q1"].gate);
  CHECK(plan["model"].gate == plan.index("q1"));
  CHECK(plan["q2"].gate == plan.index("q1"));
  CHECK(plan["peaks"].gate == plan.index("q2"));
  CHECK(plan["cxi"].gate == plan.index("q2"));
  CHECK(plan->name == "graph");
}

TEST_CASE("the default window is the capacities, the workers before the first gate, and two") {
  CHECK(Planned(chain_nodes, {chain})->window == 8 + 6 + 4 + 2);
  CHECK(Planned(chain_nodes, {chain}, "window: 9")->window == 9);
  const std::string sim = "  sim: { type: simulation }\n";
  CHECK(Planned(sim + "  end: { type: nowhere }\n", {"sim -> end"})->window == 1 + 2);
  // Of two branches, which share their messages, the larger counts.
  CHECK(Planned(sim + "  q1: { type: limiter, capacity: 3 }\n  q2: { type: limiter, capacity: 5 }\n"
                      "  a: { type: nowhere }\n  b: { type: nowhere }\n",
                {"sim -> q1 -> a", "sim -> q2 -> b"})
            ->window == 5 + 2);
  // Two sources share what stands behind the place where they meet.
  CHECK(Planned(sim + "  sim2: { type: simulation }\n  qa: { type: limiter, capacity: 3 }\n"
                      "  qb: { type: limiter, capacity: 5 }\n  m: { type: average }\n"
                      "  q: { type: limiter, capacity: 7 }\n  end: { type: nowhere }\n",
                {"sim -> qa -> m", "sim2 -> qb -> m -> q -> end"})
            ->window == 3 + 5 + 7 + 2);
}

TEST_CASE("threads are as many as can work at once, or as asked for") {
  const std::string sim = "  sim: { type: simulation }\n  end: { type: nowhere }\n";
  CHECK(Planned(sim, {"sim -> end"})->threads == 1);
  CHECK(Planned(sim, {"sim -> end"}, "threads: 5")->threads == 5);
  CHECK(Planned(chain_nodes, {chain})->threads >= 1);
}

TEST_CASE("workers, on_error and observer come from the file, else from the type") {
  const Planned plan(
      "  socket: { type: socket, bind: a }\n  decode: { type: decode }\n"
      "  peaks: { type: find_peaks, workers: 3, on_error: stop }\n  model: { type: model, "
      "on_error: keep }\n"
      "  average: { type: average }\n  end: { type: nowhere, observer: true }\n  cxi: { type: "
      "writer }\n",
      {"socket -> decode -> model -> average -> peaks -> cxi, end"});
  CHECK(plan["decode"].workers == 4);
  CHECK(plan["decode"].on_error == OnError::keep);
  CHECK(plan["peaks"].workers == 3);
  CHECK(plan["peaks"].on_error == OnError::stop);
  CHECK(plan["average"].workers == 1);
  CHECK(plan["average"].on_error == OnError::skip);
  CHECK(plan["end"].observer);
  CHECK(!plan["cxi"].observer);
  CHECK(plan->keeps_wire);
  CHECK(plan->deciding_sinks(plan.index("socket")) == 1);
}

TEST_CASE("a sink can be an observer by its type, and a graph can say otherwise") {
  const std::string nodes = "  sim: { type: simulation }\n  end: { type: nowhere }\n";
  const Planned watched(nodes + "  eye: { type: monitor }\n", {"sim -> end, eye"});
  CHECK(watched["eye"].observer);
  CHECK(!watched["end"].observer);
  CHECK(watched->deciding_sinks(watched.index("sim")) == 1);
  CHECK(to_yaml(watched->resolved).find("observer: true") != std::string::npos);
  const Planned decides("  sim: { type: simulation }\n  eye: { type: monitor, observer: false }\n",
                        {"sim -> eye"});
  CHECK(!decides["eye"].observer);
  CHECK(decides->deciding_sinks(decides.index("sim")) == 1);
}

TEST_CASE("an ordered node has a sequencer, and so has every gate before it") {
  std::string nodes = chain_nodes;
  nodes += "  end: { type: nowhere }\n  q3: { type: limiter, capacity: 2 }\n";
  nodes.replace(nodes.find("type: writer"), 12, "type: writer, ordered: true");
  const Planned plan(nodes, {chain, "decode -> q3 -> end"});
  CHECK(plan["cxi"].ordered);
  CHECK(plan["cxi"].resequence);
  CHECK(plan["cxi"].workers == 1);
  CHECK(plan["q1"].resequence);
  CHECK(plan["q2"].resequence);
  CHECK(!plan["q3"].resequence);
  CHECK(!plan["q1"].ordered);
  CHECK(!plan["peaks"].resequence);
}

TEST_CASE("fields follow each path, and behind a merge those count that all inputs have") {
  const Planned plan(chain_nodes, {chain});
  CHECK(plan["decode"].fields ==
        std::vector<std::string>{"image", "timestamp", "wavelength?", "wire"});
  CHECK(plan["peaks"].fields ==
        std::vector<std::string>{"image", "peaks", "segmap", "timestamp", "wavelength?", "wire"});
  const Planned merge(
      "  sim: { type: simulation }\n  socket: { type: socket, bind: a }\n"
      "  decode: { type: decode, keep_wire: false }\n  average: { type: average }\n  end: { type: "
      "nowhere }\n",
      {"socket -> decode -> average", "sim -> average -> end"});
  CHECK(merge["average"].fields == std::vector<std::string>{"image", "timestamp", "wavelength?"});
}

TEST_CASE("a merge behind different gates stands in the region of none") {
  const Planned plan(
      "  a: { type: simulation }\n  b: { type: simulation }\n  qa: { type: limiter, capacity: 1 }\n"
      "  qb: { type: limiter, capacity: 1 }\n  end: { type: nowhere }\n",
      {"a -> qa -> end", "b -> qb -> end"});
  CHECK(!plan["end"].gate);
}

TEST_CASE("sinks that decide are counted for each source") {
  const Planned plan(
      "  a: { type: simulation }\n  b: { type: simulation }\n  m: { type: average }\n"
      "  x: { type: nowhere }\n  y: { type: nowhere }\n",
      {"a, b -> m -> x", "b -> y"});
  CHECK(plan->deciding_sinks(plan.index("a")) == 1);
  CHECK(plan->deciding_sinks(plan.index("b")) == 2);
}

TEST_CASE("detector serves the nodes that have no value of their own") {
  const Planned plan(
      "  sim: { type: simulation, geometry: mine.geom }\n  socket: { type: socket, bind: a }\n"
      "  decode: { type: decode }\n  average: { type: average }\n  end: { type: nowhere }\n",
      {"socket -> decode -> average -> end", "sim -> average"},
      "detector: { geometry: shared.geom }");
  CHECK(static_cast<const plan_test::Simulation::Params*>(plan["sim"].params.get())->geometry ==
        "mine.geom");
  CHECK(static_cast<const plan_test::Decode::Params*>(plan["decode"].params.get())->geometry ==
        "shared.geom");
}

TEST_CASE("detector does not serve a parameter that is a node's own affair") {
  Diagnostics diagnostics;
  Registry registry;
  plan_test::add_plan_nodes(registry);
  const auto plan = plan_from_text("graph.yaml",
                                   "pnflow: 1\ndetector: { seed: 3 }\nnodes:\n"
                                   "  sim: { type: simulation }\n  end: { type: nowhere }\n"
                                   "edges: sim -> end\n",
                                   {}, registry, diagnostics);
  CHECK(!plan);
  CHECK(diagnostics.render().find("2:13: error: no node of this graph takes 'seed'") !=
        std::string::npos);
}

TEST_CASE("the resolved configuration is a graph, and gives the same plan again") {
  const Planned plan(chain_nodes, {chain}, "name: live\nstall_report: 5 s");
  const std::string yaml = to_yaml(plan->resolved);
  CHECK(yaml.find("window: 20") != std::string::npos);
  CHECK(yaml.find("stall_report: 5 s") != std::string::npos);
  CHECK(yaml.find("  decode: { type: decode, workers: 4, ordered: false, on_error: keep, "
                  "keep_wire: true") != std::string::npos);
  Registry registry;
  plan_test::add_plan_nodes(registry);
  Diagnostics diagnostics;
  const auto again = plan_from_text("other.yaml", yaml, {}, registry, diagnostics);
  CHECK(diagnostics.render() == "");
  REQUIRE(again);
  CHECK(to_yaml(again->resolved) == yaml);
}

TEST_CASE("common keys are offered where they mean something") {
  Registry registry;
  plan_test::add_plan_nodes(registry);
  const auto keys = [&](std::string_view type) {
    std::string text;
    for (const auto& key : common_keys_of(*registry.find(type))) text += key->name + " ";
    return text;
  };
  CHECK(keys("socket").empty());
  CHECK(keys("limiter").empty());
  CHECK(keys("model") == "ordered on_error ");
  CHECK(keys("average") == "ordered on_error ");
  CHECK(keys("decode") == "workers ordered on_error ");
  CHECK(keys("writer") == "workers ordered on_error observer ");
}
