#include "graph/solo_node.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "graph/error.h"
#include "test/graph/support/plan_builder.h"
#include "test/graph/support/quiet.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

// Messages as "counting" sends them.
std::vector<RecordedInput> input_of(std::size_t messages, std::size_t events) {
  std::vector<RecordedInput> input;
  for (std::size_t i = 0; i < messages; ++i) {
    input.push_back(
        {"source", i, numbered(events, i * events), std::make_shared<const EventStates>(events)});
  }
  return input;
}

// Runs at most one at a time, and counts.
struct Serial : Transform {
  struct Params {};
  static void describe(Spec<Params>&) {}
  explicit Serial(Params) {}
  Batch process(const Batch& in, Context&) { return in; }
};

// How many messages were in work at once, and what the node's region said of it.
struct InWork {
  int most = 0, most_inside = 0;
  std::uint64_t admitted = 0;
};

// Answers all that it holds once its region lets nothing more in.
struct FullRegion : AsyncTransform {
  struct Params {
    std::shared_ptr<InWork> work = std::make_shared<InWork>();
  };
  static void describe(Spec<Params>&) {}
  explicit FullRegion(Params p) : params(std::move(p)) {}
  void open(OpenContext& context) override { region = context.region(); }
  void submit(Batch batch, Completion completion) override {
    held.emplace_back(std::move(batch), std::move(completion));
    InWork& work = *params.work;
    work.most = std::max(work.most, static_cast<int>(held.size()));
    work.most_inside = std::max(work.most_inside, region->inside.load());
    work.admitted = region->admitted;
    if (region->inside < region->capacity && region->admitted < 12) return;
    auto all = std::exchange(held, {});
    for (auto& [one, owed] : all) std::move(owed).answer(std::move(one));
  }
  Params params;
  std::shared_ptr<const Region> region;
  std::vector<std::pair<Batch, Completion>> held;
};

}  // namespace

TEST_CASE("a transform alone sees every message as often as it is asked to, on all its workers") {
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{});
  const auto work =
      graph.add("working", Working::Params{.late_every = 1, .veto_every = 2}, {source});
  SoloNode node(graph.plan, work, graph.registry, 3);
  node.open();
  const auto input = input_of(4, 5);
  node.run(input, 7);
  node.run(input, 3);
  const auto tally = node.tally();
  CHECK(tally.messages == 10);
  CHECK(tally.events == 50);
  // Messages 0 and 2 have three even numbers, 1 and 3 have two: 0 1 2 3 0 1 2 | 3 0 1
  CHECK(tally.vetoed == 5 * 3 + 5 * 2);
  CHECK(tally.passed == 50 - tally.vetoed);
  CHECK(tally.failed.empty());
}

TEST_CASE("exceptions and wrong answers of a body alone are failures by their reason") {
  const Quiet quiet;
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{});
  const auto throwing = graph.add("working", Working::Params{.throw_every = 2}, {source});
  const auto wrong = graph.add("working", Working::Params{.wrong_count = true}, {source});
  const auto input = input_of(4, 3);
  SoloNode first(graph.plan, throwing, graph.registry);
  first.open();
  first.run(input, 4);
  CHECK(first.tally().failed == Books::ByReason{{"bad luck", 6}});
  CHECK(first.tally().passed == 6);
  SoloNode second(graph.plan, wrong, graph.registry);
  second.open();
  second.run(input, 2);
  CHECK(second.tally().failed == Books::ByReason{{"error in working2", 6}});
}

TEST_CASE("a decoder alone opens events, and what it cannot read is unreadable") {
  const Quiet quiet;
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.raw = true});
  const auto decode =
      graph.add("decoding", Decoding::Params{.events = 4, .bad_every = 2}, {source});
  std::vector<RecordedInput> input;
  for (std::uint64_t i = 0; i < 4; ++i) {
    Batch wire;
    wire.set_message_field("wire", array_of(*heap_pool(), std::vector<std::uint64_t>{i}));
    input.push_back({"source", i, wire, std::make_shared<const EventStates>()});
  }
  SoloNode node(graph.plan, decode, graph.registry);
  node.open();
  node.run(input, 8);
  CHECK(node.tally().messages == 8);
  CHECK(node.tally().events == 16);
  CHECK(node.tally().passed == 16);
  CHECK(node.tally().unreadable == Books::ByReason{{"truncated", 4}});
}

TEST_CASE("an asynchronous node alone gets as many messages at once as asked for, and no more") {
  PlanBuilder graph;
  graph.registry.add<FullRegion>("full");
  const auto work = std::make_shared<InWork>();
  const auto source = graph.add("counting", Counting::Params{});
  const auto gate = graph.add("limit", Limit::Params{.capacity = 7}, {source});
  const auto full = graph.add("full", FullRegion::Params{.work = work}, {gate});
  SoloNode node(graph.plan, full, graph.registry, 3);
  node.open();
  node.run(input_of(5, 2), 12);
  CHECK(node.tally().messages == 12);
  CHECK(node.tally().passed == 24);
  CHECK(work->most == 3);
  CHECK(work->most_inside == 3);
  CHECK(work->admitted == 12);
}

TEST_CASE("a message that an asynchronous node alone never answers has failed") {
  const Quiet quiet;
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{});
  const auto answering = graph.add("answering", Answering::Params{.drop_every = 3}, {source});
  SoloNode node(graph.plan, answering, graph.registry, 2);
  node.open();
  node.run(input_of(4, 2), 9);
  node.close();
  CHECK(node.tally().failed == Books::ByReason{{"no answer", 6}});
  CHECK(node.tally().passed == 12);
}

TEST_CASE("a sink alone writes all that is prepared; what it delivers late is delivered by close") {
  PlanBuilder graph(2);
  const auto seen = std::make_shared<Seen>();
  const auto source = graph.add("counting", Counting::Params{});
  const auto sink =
      graph.add("collecting", Collecting::Params{.seen = seen, .late_delivery = true}, {source});
  SoloNode node(graph.plan, sink, graph.registry, 3);
  node.open();
  node.run(input_of(6, 2), 20);
  CHECK(seen->numbers.size() == 40);
  CHECK(node.tally().passed == 0);
  node.close();
  CHECK(seen->closed);
  CHECK(node.tally().messages == 20);
  CHECK(node.tally().passed == 40);
}

TEST_CASE("an exception of a sink's write fails the message, and the next one is written") {
  const Quiet quiet;
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{});
  const auto sink = graph.add("collecting", Collecting::Params{.fail_every = 2}, {source});
  SoloNode node(graph.plan, sink, graph.registry);
  node.open();
  node.run(input_of(4, 1), 8);
  node.close();
  const auto tally = node.tally();
  CHECK(tally.passed > 0);
  CHECK(Books::total(tally.failed) > 0);
  CHECK(tally.passed + Books::total(tally.failed) == 8);
}

TEST_CASE("what cannot run alone is refused") {
  PlanBuilder graph;
  graph.registry.add<Serial>("serial");
  const auto source = graph.add("counting", Counting::Params{});
  const auto gate = graph.add("limit", Limit::Params{.capacity = 2}, {source});
  const auto serial = graph.add("serial", Serial::Params{}, {gate});
  CHECK_THROWS_AS(SoloNode(graph.plan, source, graph.registry), RunError);
  CHECK_THROWS_AS(SoloNode(graph.plan, gate, graph.registry), RunError);
  CHECK_THROWS_AS(SoloNode(graph.plan, serial, graph.registry, 2), RunError);
  SoloNode one(graph.plan, serial, graph.registry);
  one.open();
  one.run(input_of(2, 1), 3);
  CHECK(one.tally().passed == 3);
}
