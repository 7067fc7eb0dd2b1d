#include "graph/node_runtime.h"

#include <doctest/doctest.h>

#include "graph/engine.h"
#include "graph/error.h"
#include "graph/fake_run.h"
#include "graph/report.h"
#include "graph/solo_node.h"
#include "test/graph/support/plan_builder.h"
#include "test/graph/support/quiet.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

// A node whose device is lost at one message, as it says from a thread of its own.
struct Losing : AsyncTransform {
  struct Params {
    std::uint64_t at = 3;
  };
  static void describe(Spec<Params>&) {}
  explicit Losing(Params p) : params(p) {}
  void open(OpenContext& context) override { services = &context.services(); }
  void submit(Batch batch, Completion completion) override {
    const std::uint64_t number = completion.context().message();
    if (number < params.at) return std::move(completion).answer(std::move(batch));
    std::jthread([this, number] {
      services->fail_run("device 0 is lost at message " + std::to_string(number));
    }).join();
    completion.context().fail_all("device lost");
    std::move(completion).answer(std::move(batch));
  }
  Params params;
  NodeServices* services = nullptr;
};

}  // namespace

TEST_CASE("a node that says that the run cannot go on ends it, and the books add up") {
  const Quiet quiet;
  PlanBuilder graph;
  graph.registry.add<Losing>("losing");
  auto node = graph.add("counting", Counting::Params{.messages = 100'000});
  node = graph.add("limit", Limit::Params{.capacity = 1}, {node});
  node = graph.add("losing", Losing::Params{.at = 3}, {node});
  graph.add("collecting", Collecting::Params{}, {node}, 1, true);
  RunControl control;
  Engine engine(graph.plan, graph.registry, control);
  engine.open();
  engine.run();
  const RunStatus status = engine.status();
  CHECK(outcome_of(status, control, false) == Outcome::run_error);
  CHECK(control.error() == "losing2: device 0 is lost at message 3");
  CHECK(status.books.messages.received < 100'000);
  CHECK(status.books.events.delivered == 3);
  CHECK(status.books.events.failed ==
        Books::ByReason{{"device lost", status.books.messages.received - 3}});
}

TEST_CASE("a node alone that says that the run cannot go on ends the measurement") {
  const Quiet quiet;
  PlanBuilder graph;
  graph.registry.add<Losing>("losing");
  const auto source = graph.add("counting", Counting::Params{});
  const auto losing = graph.add("losing", Losing::Params{.at = 1}, {source});
  std::vector<RecordedInput> input;
  for (std::uint64_t i = 0; i < 2; ++i) {
    input.push_back({"source", i, numbered(1, i), std::make_shared<const EventStates>(1)});
  }
  SoloNode node(graph.plan, losing, graph.registry);
  node.open();
  node.run(input, 1);
  CHECK_THROWS_WITH_AS(node.run(input, 1), "losing1: device 0 is lost at message 1", RunError);
}

TEST_CASE("a node in a test of its own is heard when it says that the run cannot go on") {
  struct Logging : NodeServices {
    void log(LogLevel level, std::string_view line) override {
      CHECK(level == LogLevel::error);
      lines.emplace_back(line);
    }
    std::vector<std::string> lines;
  } logging;
  logging.fail_run("no device");
  CHECK(logging.lines == std::vector<std::string>{"no device"});
  FakeServices fake;
  fake.fail_run("no device");
  CHECK(fake.run_errors() == std::vector<std::string>{"no device"});
}
