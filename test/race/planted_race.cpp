// A node with a mistake in it, run by the engine: several workers write one variable without a
// lock. The thread sanitizer has to see it; a run that reports nothing would prove nothing about
// the other tests either.

#include <cstdint>

#include "graph/engine.h"
#include "test/graph/support/engine_nodes.h"
#include "test/graph/support/plan_builder.h"

namespace {

using namespace pnflow;
using namespace pnflow::test;

struct Racing : Transform {
  struct Params {};
  static void describe(Spec<Params>&) {}
  explicit Racing(Params) {}
  Batch process(const Batch& in, Context&) const {
    ++messages;
    return in;
  }
  mutable std::uint64_t messages = 0;
};

}  // namespace

int main() {
  PlanBuilder graph;
  graph.registry.add<Racing>("racing");
  const auto source = graph.add("counting", Counting::Params{.messages = 2000, .events = 1});
  const auto race = graph.add("racing", Racing::Params{}, {source}, 3);
  graph.add("collecting", Collecting::Params{.seen = std::make_shared<Seen>()}, {race});
  RunControl control;
  Engine engine(graph.plan, graph.registry, control);
  engine.open();
  engine.run();
}
