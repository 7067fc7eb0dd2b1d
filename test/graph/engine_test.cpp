#include "graph/engine.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

#include "graph/report.h"
#include "test/graph/support/plan_builder.h"
#include "test/graph/support/quiet.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

struct Result {
  RunStatus status;
  Outcome outcome;
  std::string error;
};

Result run(PlanBuilder& graph) {
  const Quiet quiet;
  RunControl control;
  Engine engine(graph.plan, graph.registry, control);
  engine.open();
  engine.run();
  const RunStatus status = engine.status();
  return {status, outcome_of(status, control, false), control.error()};
}

struct Refusing : Transform {
  struct Params {};
  static void describe(Spec<Params>&) {}
  explicit Refusing(Params) {}
  void open(OpenContext&) override { throw RunError("no such device"); }
  Batch process(const Batch& in, Context&) const { return in; }
};

// Takes two messages at once; each waits for the other.
struct Pairing : Sink {
  struct Params {
    std::shared_ptr<int> most = std::make_shared<int>(0);  // messages in write() at once
  };
  static void describe(Spec<Params>&) {}
  explicit Pairing(Params p) : params(std::move(p)) {}
  int writers(int workers) const override { return workers; }
  std::unique_ptr<Prepared> prepare(const Batch&, Context&) const override { return nullptr; }
  void write(std::unique_ptr<Prepared>, Delivery&& delivery) override {
    std::unique_lock lock(mutex);
    *params.most = std::max(*params.most, ++inside);
    changed.notify_all();
    changed.wait_for(lock, std::chrono::seconds(10), [this] { return *params.most == 2; });
    --inside;
    lock.unlock();
    std::move(delivery).deliver();
  }
  Params params;
  std::mutex mutex;
  std::condition_variable changed;
  int inside = 0;
};

// Shares out 16 parts of each message, one of which may throw.
struct Sharing : Transform {
  struct Params {
    bool throws = false;
  };
  static void describe(Spec<Params>&) {}
  explicit Sharing(Params p) : params(p) {}
  Batch process(const Batch& in, Context& context) const {
    thread_local bool inside = false;
    if (inside) ++nested;
    inside = true;
    std::vector<std::atomic<int>> calls(16);
    try {
      context.share_out(calls.size(), [&](std::size_t i) {
        ++calls[i];
        if (params.throws && i == 7) throw DataError("seven", "a part");
      });
    } catch (...) {
      inside = false;
      throw;
    }
    inside = false;
    for (const auto& n : calls) wrong += n != 1;
    return in;
  }
  Params params;
  static inline std::atomic<int> nested = 0, wrong = 0;
};

std::vector<std::uint64_t> sorted(std::vector<std::uint64_t> numbers) {
  std::ranges::sort(numbers);
  return numbers;
}

std::vector<std::uint64_t> up_to(std::uint64_t n) {
  std::vector<std::uint64_t> numbers(n);
  for (std::uint64_t i = 0; i < n; ++i) numbers[i] = i;
  return numbers;
}

}  // namespace

TEST_CASE("a chain delivers every event once") {
  PlanBuilder graph;
  const auto seen = std::make_shared<Seen>();
  const auto source = graph.add("counting", Counting::Params{.messages = 100, .events = 3});
  const auto work = graph.add("working", Working::Params{}, {source}, 3);
  graph.add("collecting", Collecting::Params{.seen = seen}, {work});
  const Result result = run(graph);
  CHECK(result.outcome == Outcome::done);
  CHECK(sorted(seen->numbers) == up_to(300));
  CHECK(result.status.books.events.delivered == 300);
  CHECK(result.status.books.messages.received == 100);
  CHECK(result.status.live_messages == 0);
  CHECK(result.status.max_live_messages <= 8);
  CHECK(seen->closed);
}

TEST_CASE("a body's parts are done once each, and no thread takes up a message among them") {
  for (const int workers : {1, 4}) {
    Sharing::nested = Sharing::wrong = 0;
    PlanBuilder graph;
    graph.registry.add<Sharing>("sharing");
    const auto source = graph.add("counting", Counting::Params{.messages = 500, .events = 1});
    const auto work = graph.add("sharing", Sharing::Params{}, {source}, workers);
    graph.add("collecting", Collecting::Params{.seen = std::make_shared<Seen>()}, {work});
    CHECK(run(graph).outcome == Outcome::done);
    CHECK(Sharing::nested == 0);
    CHECK(Sharing::wrong == 0);
  }
}

TEST_CASE("an exception of one part fails the message, and the run goes on") {
  PlanBuilder graph;
  graph.registry.add<Sharing>("sharing");
  const auto source = graph.add("counting", Counting::Params{.messages = 20, .events = 2});
  const auto work = graph.add("sharing", Sharing::Params{.throws = true}, {source}, 2);
  graph.add("collecting", Collecting::Params{.seen = std::make_shared<Seen>()}, {work});
  const Result result = run(graph);
  CHECK(result.outcome == Outcome::done);
  CHECK(result.status.books.events.failed == Books::ByReason{{"seven", 40}});
}

TEST_CASE("an ordered sink sees the order of the source behind late messages and two limiters") {
  PlanBuilder graph(6);
  const auto seen = std::make_shared<Seen>();
  auto node = graph.add("counting", Counting::Params{.messages = 300});
  node = graph.add("working", Working::Params{.late_every = 7}, {node}, 3);
  node = graph.add("limit", Limit::Params{.capacity = 2}, {node});
  node = graph.add("answering", Answering::Params{}, {node});
  node = graph.add("limit", Limit::Params{.capacity = 2}, {node});
  node = graph.add("working", Working::Params{.late_every = 5}, {node}, 3);
  graph.add("collecting", Collecting::Params{.seen = seen}, {node}, 1, true);
  const Result result = run(graph);
  CHECK(result.outcome == Outcome::done);
  CHECK(seen->numbers == up_to(300));
}

TEST_CASE("of several sinks failed beats delivered beats vetoed, and observers do not count") {
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.messages = 10});
  const auto vetoing = graph.add("working", Working::Params{.veto_every = 2}, {source});
  const auto failing = graph.add("working", Working::Params{.fail_every = 5}, {source});
  graph.add("collecting", Collecting::Params{}, {vetoing});
  graph.add("collecting", Collecting::Params{}, {failing});
  const auto observer = graph.add("collecting", Collecting::Params{.fail_every = 1}, {source});
  graph.plan.nodes[observer].observer = true;
  const Result result = run(graph);
  CHECK(result.outcome == Outcome::done);
  CHECK(result.status.books.events.failed == Books::ByReason{{"seventh", 2}});
  CHECK(result.status.books.events.delivered == 8);
  CHECK(result.status.books.events.vetoed.empty());
}

TEST_CASE("an undecodable message is unreadable, by its reason, and the next one is decoded") {
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.messages = 10, .raw = true});
  const auto decode =
      graph.add("decoding", Decoding::Params{.events = 2, .bad_every = 3}, {source}, 2);
  graph.add("collecting", Collecting::Params{}, {decode});
  const Result result = run(graph);
  CHECK(result.outcome == Outcome::done);
  CHECK(result.status.books.messages.unreadable == Books::ByReason{{"truncated", 4}});
  CHECK(result.status.books.messages.decoded == 6);
  CHECK(result.status.books.events.delivered == 12);
}

TEST_CASE("messages that reach a sink undecoded are booked as raw") {
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.messages = 4, .raw = true});
  graph.add("collecting", Collecting::Params{}, {source});
  const Result result = run(graph);
  CHECK(result.outcome == Outcome::done);
  CHECK(result.status.books.messages.raw == 4);
}

TEST_CASE("an exception of a body fails the message's events and names no other") {
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.messages = 9, .events = 2});
  const auto work = graph.add("working", Working::Params{.throw_every = 3}, {source}, 2);
  graph.add("collecting", Collecting::Params{}, {work});
  const Result result = run(graph);
  CHECK(result.outcome == Outcome::done);
  CHECK(result.status.books.events.failed == Books::ByReason{{"bad luck", 6}});
  CHECK(result.status.books.events.delivered == 12);
}

TEST_CASE("a node that answers another number of events fails the message") {
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.messages = 3});
  const auto work = graph.add("working", Working::Params{.wrong_count = true}, {source});
  graph.add("collecting", Collecting::Params{}, {work});
  const Result result = run(graph);
  CHECK(result.outcome == Outcome::done);
  CHECK(Books::total(result.status.books.events.failed) == 3);
}

TEST_CASE("a sink that says so writes several messages at once") {
  PlanBuilder graph;
  graph.registry.add<Pairing>("pairing");
  const Pairing::Params params;
  const auto source = graph.add("counting", Counting::Params{.messages = 20});
  graph.add("pairing", params, {source}, 2);
  const Result result = run(graph);
  CHECK(*params.most == 2);
  CHECK(result.status.books.events.delivered == 20);
  CHECK(result.status.nodes.back().writers == 2);
}

TEST_CASE("on_error: stop ends the run with the error, and the books add up") {
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.messages = 100'000});
  const auto work = graph.add("working", Working::Params{.throw_every = 5}, {source});
  graph.plan.nodes[work].on_error = OnError::stop;
  graph.add("collecting", Collecting::Params{}, {work});
  const Result result = run(graph);
  CHECK(result.outcome == Outcome::run_error);
  CHECK(result.error.find("bad luck") != std::string::npos);
  CHECK(result.status.books.messages.received < 100'000);
  CHECK(result.status.books.events_add_up());
}

TEST_CASE("a source that throws ends the run after what it has given is worked off") {
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.messages = 10, .throw_at = 6});
  graph.add("collecting", Collecting::Params{}, {source});
  const Result result = run(graph);
  CHECK(result.outcome == Outcome::run_error);
  CHECK(result.error.find("the source broke") != std::string::npos);
  CHECK(result.status.books.events.delivered == 6);
}

TEST_CASE("a sink that forgets its events has failed them") {
  PlanBuilder graph;
  const auto source = graph.add("counting", Counting::Params{.messages = 5});
  graph.add("collecting", Collecting::Params{.forgets = true}, {source});
  const Result result = run(graph);
  CHECK(result.outcome == Outcome::done);
  CHECK(result.status.books.events.failed == Books::ByReason{{"not delivered", 5}});
}

TEST_CASE("live messages stay within the window before a slow sink") {
  for (const int window : {1, 2, 5}) {
    PlanBuilder graph(window);
    auto node = graph.add("counting", Counting::Params{.messages = 60});
    node = graph.add("working", Working::Params{}, {node}, 3);
    node = graph.add("limit", Limit::Params{.capacity = 1}, {node});
    graph.add("collecting", Collecting::Params{.delay = 300us}, {node});
    const Result result = run(graph);
    CHECK(result.outcome == Outcome::done);
    CHECK(result.status.max_live_messages <= window);
    CHECK(result.status.books.events.delivered == 60);
  }
}

TEST_CASE("an aborted run returns at once and its books add up") {
  const Quiet quiet;
  PlanBuilder graph(50);
  const auto source = graph.add("counting", Counting::Params{.messages = 1'000'000});
  const auto limit = graph.add("limit", Limit::Params{.capacity = 20}, {source});
  graph.add("collecting", Collecting::Params{.delay = 20ms}, {limit});
  RunControl control;
  Engine engine(graph.plan, graph.registry, control);
  engine.open();
  std::jthread killer([&control] {
    std::this_thread::sleep_for(100ms);
    control.abort();
  });
  engine.run();
  const RunStatus status = engine.status();
  CHECK(outcome_of(status, control, false) == Outcome::aborted);
  CHECK(status.books.events.failed.contains("aborted"));
}

TEST_CASE("a graph with a node that cannot be opened is closed and taken down again") {
  for (int round = 0; round < 50; ++round) {
    PlanBuilder graph;
    graph.registry.add<Refusing>("refusing");
    const auto seen = std::make_shared<Seen>();
    auto node = graph.add("counting", Counting::Params{});
    node = graph.add("refusing", Refusing::Params{}, {node});
    node = graph.add("limit", Limit::Params{}, {node});
    node = graph.add("answering", Answering::Params{}, {node});
    graph.add("collecting", Collecting::Params{.seen = seen}, {node}, 1, true);
    RunControl control;
    Engine engine(graph.plan, graph.registry, control);
    CHECK_THROWS_WITH_AS(engine.open(), "refusing1: no such device", RunError);
    CHECK(seen->closed);
  }
}

TEST_CASE("two hundred awkward graphs end with their books right") {
  std::mt19937 random(20261124);
  const auto pick = [&random](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    const int sources = pick(1, 2);
    PlanBuilder graph(pick(sources, 9));
    const int messages = pick(0, 80), events = pick(1, 7);
    const bool raw = pick(0, 1) == 1;
    std::vector<std::size_t> ends;
    for (int i = 0; i < sources; ++i) {
      ends.push_back(graph.add(
          "counting", Counting::Params{.messages = messages, .events = events, .raw = raw}));
    }
    if (raw) {
      ends = {graph.add("decoding", Decoding::Params{.events = events, .bad_every = pick(0, 9)},
                        ends, pick(1, 3))};
    }
    ends = {graph.add("limit", Limit::Params{.capacity = pick(1, 3)}, ends)};
    ends = {graph.add("working", Working::Params{.late_every = pick(0, 20), .fail_every = 7}, ends,
                      pick(1, 3))};
    ends = {graph.add("answering", Answering::Params{.drop_every = pick(0, 6)}, ends)};
    if (pick(0, 1) == 1) ends = {graph.add("limit", Limit::Params{.capacity = pick(1, 3)}, ends)};
    const int sinks = pick(1, 2);
    std::vector<std::shared_ptr<Seen>> seen;
    for (int i = 0; i < sinks; ++i) {
      const auto branch =
          graph.add("working", Working::Params{.late_every = pick(0, 9), .veto_every = pick(0, 5)},
                    ends, pick(1, 3));
      seen.push_back(std::make_shared<Seen>());
      graph.add(
          "collecting",
          Collecting::Params{
              .seen = seen.back(), .late_delivery = pick(0, 1) == 1, .fail_every = pick(0, 12)},
          {branch}, 1, sources == 1 && pick(0, 1) == 1);
    }
    const Result result = run(graph);
    CHECK(result.outcome == Outcome::done);
    CHECK(result.status.books.messages.received == static_cast<std::uint64_t>(messages * sources));
    CHECK(result.status.live_messages == 0);
    CHECK(result.status.max_live_messages <= graph.plan.window);
    for (const auto& one : seen) {
      const auto sink = std::ranges::find_if(graph.plan.nodes, [&](const PlannedNode& node) {
        return node.type->kind == NodeKind::sink &&
               static_cast<Collecting::Params*>(node.params.get())->seen == one;
      });
      if (sink->ordered) CHECK(std::ranges::is_sorted(one->numbers));
    }
  }
}
