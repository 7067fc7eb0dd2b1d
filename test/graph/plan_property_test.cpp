// Plans of random chains against a second, naive account of the same rules.

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "graph/config.h"
#include "graph/plan.h"
#include "test/graph/support/plan_nodes.h"

using namespace pnflow;

namespace {

// A chain of random nodes, and what must come of it.
struct RandomChain {
  std::string text;
  std::size_t errors = 0;        // missing fields and limiters in a row
  std::set<std::string> fields;  // behind the last transform
  int window = 2;
};

RandomChain make_chain(std::mt19937& random) {
  RandomChain chain;
  std::string nodes = "  n0: { type: simulation }\n";
  std::string edges = "n0";
  bool gated = false;
  bool after_gate = false;
  chain.fields = {"image", "timestamp"};
  const int count = 1 + static_cast<int>(random() % 6);
  const auto needs = [&](const std::string& field) {
    if (!chain.fields.contains(field)) ++chain.errors;
  };
  for (int i = 1; i <= count; ++i) {
    std::string node;
    const bool gate_before = after_gate;
    after_gate = false;
    switch (random() % 4) {
      case 0: {
        const int capacity = 1 + static_cast<int>(random() % 9);
        node = "limiter, capacity: " + std::to_string(capacity);
        chain.window += capacity;
        gated = after_gate = true;
        if (gate_before) ++chain.errors;
        break;
      }
      case 1:
        node = "model";
        needs("image");
        chain.fields.insert("segmap");
        chain.window += gated ? 0 : 1;
        break;
      case 2: {
        const bool drops = random() % 3 == 0;
        node = std::string("find_peaks, workers: 2, drop_image: ") + (drops ? "yes" : "no");
        needs("segmap");
        needs("image");
        chain.fields.insert("peaks");
        if (drops) chain.fields.erase("image");
        chain.window += gated ? 0 : 2;
        break;
      }
      default:
        node = "average";
        needs("image");
        chain.window += gated ? 0 : 1;
    }
    nodes += "  n" + std::to_string(i) + ": { type: " + node + " }\n";
    edges += " -> n" + std::to_string(i);
  }
  nodes += "  end: { type: writer, workers: 3 }\n";
  needs("peaks");
  needs("image");
  chain.window += gated ? 0 : 3;
  chain.text = "pnflow: 1\nnodes:\n" + nodes + "edges: [ " + edges + " -> end ]\n";
  return chain;
}

}  // namespace

TEST_CASE("random chains are planned or refused as a naive account of the rules says") {
  Registry registry;
  plan_test::add_plan_nodes(registry);
  std::mt19937 random(7);
  int good = 0;
  for (int i = 0; i < 2000; ++i) {
    const RandomChain chain = make_chain(random);
    CAPTURE(chain.text);
    Diagnostics diagnostics;
    const auto plan = plan_from_text("chain.yaml", chain.text, {}, registry, diagnostics);
    REQUIRE(diagnostics.errors() == chain.errors);
    REQUIRE(plan.has_value() == (chain.errors == 0));
    if (!plan) continue;
    ++good;
    REQUIRE(plan->window == chain.window);
    const auto& fields = plan->nodes.back().fields;
    REQUIRE(std::set<std::string>(fields.begin(), fields.end()) == chain.fields);
    Diagnostics again;
    const auto same = plan_from_text("chain.yaml", to_yaml(plan->resolved), {}, registry, again);
    REQUIRE(same);
    REQUIRE(to_json(same->resolved) == to_json(plan->resolved));
  }
  CHECK(good > 20);
}

TEST_CASE("graph files with random damage are answered with a plan or with faults") {
  Registry registry;
  plan_test::add_plan_nodes(registry);
  std::mt19937 random(11);
  const std::string pieces = "{}[]:,->&*!|#'\"$ \n\tax10%";
  for (int i = 0; i < 3000; ++i) {
    std::string text = make_chain(random).text;
    for (std::size_t damage = 1 + random() % 4; damage > 0; --damage) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = pieces[random() % pieces.size()]; break;
        case 1: text.insert(at, 1, pieces[random() % pieces.size()]); break;
        default: text.erase(at, 1 + random() % 9);
      }
      if (text.empty()) text = "x";
    }
    CAPTURE(text);
    Diagnostics diagnostics;
    const auto plan = plan_from_text("damaged.yaml", text, {}, registry, diagnostics);
    REQUIRE(plan.has_value() == diagnostics.ok());
    if (!plan) REQUIRE(diagnostics.render().find(": error: ") != std::string::npos);
  }
}
