#include "graph/source_drain.h"

#include <doctest/doctest.h>

#include "graph/error.h"
#include "test/graph/support/plan_builder.h"
#include "test/graph/support/quiet.h"

using namespace pnflow;
using namespace pnflow::test;

TEST_CASE("a source is run again until it has given the messages that are asked for") {
  const Quiet quiet;
  PlanBuilder graph;
  const auto seen = std::make_shared<Seen>();
  const auto source = graph.add("counting", Counting::Params{.messages = 11, .events = 3});
  graph.add("collecting", Collecting::Params{.seen = seen}, {source});
  const SourceDrain drain = drain_source(graph.plan, source, graph.registry, 25);
  CHECK(drain.messages == 25);
  CHECK(drain.events == 75);
  CHECK(drain.bytes == 75 * sizeof(std::uint64_t));
  CHECK(drain.time.count() > 0);
  CHECK(seen->numbers.empty());
}

TEST_CASE("a source that gives one message has no rate") {
  const Quiet quiet;
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.messages = 1});
  graph.add("collecting", Collecting::Params{}, {source});
  CHECK_THROWS_WITH_AS(drain_source(graph.plan, source, graph.registry, 5),
                       "'counting0' gave one message: two messages at least are needed to measure "
                       "its rate",
                       RunError);
}
