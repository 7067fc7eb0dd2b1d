#include "graph/input_recorder.h"

#include <doctest/doctest.h>

#include "graph/error.h"
#include "test/graph/support/plan_builder.h"
#include "test/graph/support/quiet.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

std::vector<std::uint64_t> message_numbers(const std::vector<RecordedInput>& recorded) {
  std::vector<std::uint64_t> numbers;
  for (const RecordedInput& message : recorded) numbers.push_back(message.number);
  return numbers;
}

std::string refusal(PlanBuilder& graph, std::size_t node) {
  try {
    record_input(graph.plan, node, graph.registry);
  } catch (const RunError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("a node's input is recorded with the fates of its events, in the source's order") {
  const Quiet quiet;
  PlanBuilder graph;
  const auto seen = std::make_shared<Seen>();
  const auto source = graph.add("counting", Counting::Params{.messages = 1000, .events = 2});
  const auto work =
      graph.add("working", Working::Params{.late_every = 3, .veto_every = 2}, {source}, 3);
  const auto gate = graph.add("limit", Limit::Params{.capacity = 2}, {work});
  const auto end = graph.add("collecting", Collecting::Params{.seen = seen}, {gate});
  const auto recorded = record_input(graph.plan, end, graph.registry, {.messages = 12});
  REQUIRE(recorded.size() == 12);
  CHECK(message_numbers(recorded) ==
        std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  for (const RecordedInput& message : recorded) {
    CHECK(message.source == "counting0");
    REQUIRE(message.batch.events() == 2);
    CHECK(message.batch.array("number").as<std::uint64_t>()[0] == 2 * message.number);
    CHECK((*message.states)[0].fate == Fate::vetoed);
    CHECK((*message.states)[1].fate == Fate::alive);
  }
  CHECK(seen->numbers.empty());  // the node itself and what is behind it do not run
  CHECK_FALSE(seen->closed);
}

TEST_CASE("only what leads to the node runs, from all its sources, and both ways into it count") {
  const Quiet quiet;
  PlanBuilder graph;
  const auto elsewhere = std::make_shared<Seen>();
  const auto one = graph.add("counting", Counting::Params{.messages = 3});
  const auto other = graph.add("counting", Counting::Params{.messages = 4});
  const auto work = graph.add("working", Working::Params{}, {one});
  graph.add("collecting", Collecting::Params{.seen = elsewhere}, {one});
  const auto end = graph.add("collecting", Collecting::Params{}, {work, other});
  const auto recorded = record_input(graph.plan, end, graph.registry);
  CHECK(message_numbers(recorded) == std::vector<std::uint64_t>{0, 1, 2, 0, 1, 2, 3});
  CHECK(recorded.front().source == "counting0");
  CHECK(recorded.back().source == "counting1");
  CHECK(elsewhere->numbers.empty());
}

TEST_CASE("recording ends with the message that reaches the limit of memory") {
  const Quiet quiet;
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.messages = 100, .events = 4});
  const auto end = graph.add("collecting", Collecting::Params{}, {source});
  const std::size_t message_bytes = 4 * sizeof(std::uint64_t);
  const auto recorded =
      record_input(graph.plan, end, graph.registry, {.messages = 50, .bytes = 3 * message_bytes});
  CHECK(recorded.size() == 3);
}

TEST_CASE("an input that never comes is an error that says what became of the messages") {
  const Quiet quiet;
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.messages = 5, .raw = true});
  const auto decode = graph.add("decoding", Decoding::Params{.bad_every = 1}, {source});
  const auto end = graph.add("collecting", Collecting::Params{}, {decode});
  const std::string text = refusal(graph, end);
  CHECK(text.find("no message came to 'collecting2'") != text.npos);
  CHECK(text.find("5  truncated") != text.npos);
}

TEST_CASE("the error that ends the run before a node is the recording's") {
  const Quiet quiet;
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.throw_at = 2});
  const auto end = graph.add("collecting", Collecting::Params{}, {source});
  CHECK(refusal(graph, end) == "counting0: the source broke");
}
