#include "graph/trace.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "graph/engine.h"
#include "test/graph/support/plan_builder.h"
#include "test/graph/support/quiet.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

using Json = nlohmann::json;

// What a trace writes, read again.
struct Timeline {
  explicit Timeline(const Trace& trace) {
    std::ostringstream out;
    trace.write(out, "run \"7\"");
    json = Json::parse(out.str());
    for (const Json& meta : events("M")) {
      if (meta["name"] == "process_name") groups[meta["pid"]] = meta["args"]["name"];
      if (meta["name"] == "thread_name") rows[meta["tid"]] = meta["args"]["name"];
    }
  }
  // Events of one phase ("X": spans, "C": values, "i": marks), in the order of the file.
  std::vector<Json> events(const std::string& phase) const {
    std::vector<Json> found;
    for (const Json& event : json["traceEvents"]) {
      if (event["ph"] == phase) found.push_back(event);
    }
    return found;
  }
  std::string place(const Json& event) const {
    return groups.at(event["pid"]) + ": " + rows.at(event["tid"]);
  }

  Json json;
  std::map<int, std::string> groups, rows;
};

std::int64_t ns(const Json& us) { return std::llround(us.get<double>() * 1000); }

// Spans of each row that overlap the next one without its being within them.
int crossings(const Timeline& timeline) {
  std::map<int, std::vector<std::pair<std::int64_t, std::int64_t>>> rows;
  for (const Json& span : timeline.events("X")) {
    rows[span["tid"]].emplace_back(ns(span["ts"]), ns(span["ts"]) + ns(span["dur"]));
  }
  int crossing = 0;
  for (auto& [row, spans] : rows) {
    std::ranges::sort(spans, {},
                      [](const auto& span) { return std::pair(span.first, -span.second); });
    std::vector<std::int64_t> open;  // ends of the spans that the next one may be within
    for (const auto& [begin, end] : spans) {
      while (!open.empty() && open.back() <= begin) open.pop_back();
      if (!open.empty() && open.back() < end) ++crossing;
      open.push_back(end);
    }
  }
  return crossing;
}

// A trace of a run that begins at `zero`.
struct Started : Trace {
  explicit Started(std::size_t limit = default_limit) : Trace(limit) { start(zero); }
  Clock::time_point at(int us) const { return zero + std::chrono::microseconds(us); }
  const Clock::time_point zero = Clock::now();
};

// Adds spans of its own to the run's timeline.
struct Showing : Transform {
  struct Params {};
  static void describe(Spec<Params>&) {}
  explicit Showing(Params) {}
  void open(OpenContext& context) override { trace = context.services().trace(); }
  Batch process(const Batch& in, Context& context) const {
    const auto now = Clock::now();
    if (trace) trace->span("card 0 / compute", "launch", now - 1ms, now, context.message());
    return in;
  }
  Trace* trace = nullptr;
};

}  // namespace

TEST_CASE("a trace without a record is valid, and says which run it is of") {
  const Json json = Timeline(Trace()).json;
  CHECK(json["traceEvents"] == Json::array());
  CHECK(json["otherData"]["run"] == "run \"7\"");
  CHECK(json["otherData"]["left_out"] == 0);
}

TEST_CASE("spans of a node stand in the group and on the track that it names, to the nanosecond") {
  Started trace;
  const auto begin = trace.at(1500) + std::chrono::nanoseconds(7);
  trace.span("infer device 0 / compute", "a \"name\"\n\xff", begin, begin + 2us, 41);
  trace.span("loader", "read", trace.at(0), trace.at(9), 42);
  const Timeline timeline(trace);
  const auto spans = timeline.events("X");
  REQUIRE(spans.size() == 2);
  CHECK(timeline.place(spans[0]) == "infer device 0: compute");
  CHECK(spans[0]["name"] == "a \"name\"\n\ufffd");
  CHECK(ns(spans[0]["ts"]) == 1'500'007);
  CHECK(ns(spans[0]["dur"]) == 2000);
  CHECK(spans[0]["cat"] == "node");
  CHECK(spans[0]["args"]["number"] == 41);
  CHECK(timeline.place(spans[1]) == "loader: loader");
}

TEST_CASE("spans of one track that overlap are shown side by side, and the rows are used again") {
  Started trace;
  for (const auto& [begin, end] : {std::pair(0, 10), {5, 12}, {6, 7}, {10, 20}, {12, 13}}) {
    trace.span("gpu / copy", "copy", trace.at(begin), trace.at(end), 0);
  }
  const Timeline timeline(trace);
  std::vector<std::string> rows;
  for (const Json& span : timeline.events("X")) rows.push_back(timeline.place(span));
  CHECK(rows == std::vector<std::string>{"gpu: copy", "gpu: copy 2", "gpu: copy 3", "gpu: copy",
                                         "gpu: copy 2"});
  CHECK(crossings(timeline) == 0);
}

TEST_CASE("what ended before the run is left out, and what began before it is cut") {
  Trace trace;
  const auto now = Clock::now();
  trace.span("a", "opening", now - 3us, now - 2us, 0);  // the run has not begun at all
  trace.start(now);
  trace.span("a", "warm up", now - 3us, now - 1us, 1);
  trace.span("a", "first", now - 3us, now + 5us, 2);
  const auto spans = Timeline(trace).events("X");
  REQUIRE(spans.size() == 1);
  CHECK(spans[0]["name"] == "first");
  CHECK(ns(spans[0]["ts"]) == 0);
  CHECK(ns(spans[0]["dur"]) == 5000);
  CHECK(Timeline(trace).json["otherData"]["left_out"] == 0);
}

TEST_CASE("values are curves of their group") {
  Started trace;
  const auto queue = trace.add_track("peaks", "queue", "messages", "queue", Trace::Layout::values);
  std::atomic<int> depth = 3;
  trace.value(queue, depth);
  depth = 1;
  trace.value(queue, depth);
  const Timeline timeline(trace);
  const auto values = timeline.events("C");
  REQUIRE(values.size() == 2);
  CHECK(values[0]["name"] == "queue");
  CHECK(values[0]["args"] == Json{{"messages", 3}});
  CHECK(values[1]["args"] == Json{{"messages", 1}});
  CHECK(ns(values[0]["ts"]) <= ns(values[1]["ts"]));
  CHECK(timeline.groups.at(values[0]["pid"]) == "peaks");
}

TEST_CASE("a trace that is full counts what it leaves out, and marks when") {
  const Quiet quiet;
  Started trace(5);
  for (int i = 0; i < 8; ++i) trace.span("a", "b", trace.at(i), trace.at(i + 1), 0);
  const Timeline timeline(trace);
  CHECK(timeline.events("X").size() == 5);
  CHECK(timeline.json["otherData"]["limit"] == 5);
  CHECK(timeline.json["otherData"]["left_out"] == 3);
  const auto marks = timeline.events("i");
  REQUIRE(marks.size() == 1);
  CHECK(marks[0]["name"] == "limit of 5 records: 3 left out");
  CHECK(ns(marks[0]["ts"]) == 6000);
}

TEST_CASE("many threads record at once, each on a row of its own") {
  Started trace;
  const auto work = trace.add_track("peaks", "worker", "peaks", "message", Trace::Layout::threads);
  constexpr int threads = 4, spans_each = 2000;
  {
    std::vector<std::jthread> recording;
    for (int t = 0; t < threads; ++t) {
      recording.emplace_back([&, t] {
        for (int i = 0; i < spans_each; ++i) {
          const auto begin = Clock::now();
          trace.span("gpu / " + std::to_string(t), "launch", begin, Clock::now(), 0);
          trace.message(work, begin, Clock::now(), "socket", static_cast<std::uint64_t>(i), 2);
        }
      });
    }
  }
  const Timeline timeline(trace);
  std::map<std::string, int> in_row;
  for (const Json& span : timeline.events("X")) ++in_row[timeline.place(span)];
  for (int t = 0; t < threads; ++t) {
    CHECK(in_row["gpu: " + std::to_string(t)] == spans_each);
    CHECK(in_row["peaks: worker " + std::to_string(t + 1)] == spans_each);
  }
  CHECK(in_row.size() == 2 * threads);
}

TEST_CASE("every message of a run has one span in each node, and its times are the report's") {
  const Quiet quiet;
  PlanBuilder graph;
  graph.registry.add<Showing>("showing");
  auto node = graph.add("counting", Counting::Params{.messages = 200, .events = 3, .raw = true});
  node = graph.add("decoding", Decoding::Params{.events = 3, .bad_every = 9}, {node}, 2);
  node = graph.add("limit", Limit::Params{.capacity = 2}, {node});
  node = graph.add("answering", Answering::Params{.drop_every = 7}, {node});
  node = graph.add("showing", Showing::Params{}, {node}, 3);
  graph.add("collecting", Collecting::Params{.fail_every = 5}, {node}, 2);
  Trace trace;
  RunControl control;
  Engine engine(graph.plan, graph.registry, control, &trace);
  engine.open();
  engine.run();
  const Timeline timeline(trace);
  CHECK(crossings(timeline) == 0);
  const auto spans = timeline.events("X");
  for (const auto& status : engine.status().nodes) {
    CAPTURE(status.name);
    std::multiset<int> messages;
    std::int64_t busy = 0, write_busy = 0, writes = 0;
    for (const Json& span : spans) {
      if (span["cat"] == "message" && span["name"] == status.name) {
        messages.insert(span["args"]["message"].get<int>());
        busy += ns(span["dur"]);
        CHECK(span["args"]["source"] == "counting0");
        CHECK(timeline.place(span).starts_with(status.name + ": "));
      }
      if (span["cat"] == "write" && span["name"] == status.name + " write") {
        ++writes;
        write_busy += ns(span["dur"]);
      }
    }
    CHECK(messages.size() == status.body.messages);
    CHECK(std::set<int>(messages.begin(), messages.end()).size() == 200);
    // Several messages are in an asynchronous node's work at once.
    if (status.type != "answering") CHECK(busy == status.body.busy.count());
    if (status.type == "answering") CHECK(busy >= status.body.busy.count() / 2);
    if (status.write) CHECK(writes == static_cast<std::int64_t>(status.write->messages));
    if (status.write) CHECK(write_busy == status.write->busy.count());
  }
  int most_credits = 0, last_credits = -1;
  for (const Json& value : timeline.events("C")) {
    if (value["name"] != "credits out") continue;
    last_credits = value["args"]["credits"];
    most_credits = std::max(most_credits, last_credits);
  }
  CHECK(most_credits == 2);
  CHECK(last_credits == 0);
  CHECK(std::ranges::any_of(spans, [&](const Json& span) {
    return span["name"] == "launch" && timeline.place(span) == "card 0: compute";
  }));
}
