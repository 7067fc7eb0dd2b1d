#include "graph/context.h"

#include <doctest/doctest.h>

#include "graph/node.h"

using namespace pnflow;

namespace {

struct Silent : NodeServices {
  void log(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

}  // namespace

TEST_CASE("a fate once given stays, and other paths do not see it") {
  Silent services;
  const auto states = std::make_shared<const EventStates>(3);
  Context context(services, "socket", 5, states);
  context.veto(1, "few peaks");
  context.fail(1, "late");
  context.fail(2, "damaged chunk", "crc");
  CHECK((*context.states())[1].reason == "few peaks");
  CHECK((*context.states())[2].fate == Fate::failed);
  CHECK(context.alive_count() == 1);
  CHECK((*states)[1].fate == Fate::alive);
  REQUIRE(services.lines.size() == 1);
  CHECK(services.lines[0] == "message 5 of 'socket', event 2: failed: damaged chunk: crc");
}

TEST_CASE("events are opened once") {
  Context context;
  context.open_events(2);
  CHECK(context.alive_count() == 2);
  CHECK_THROWS_AS(context.open_events(2), std::logic_error);
}

TEST_CASE("a completion that is dropped answers that there is no answer") {
  Silent services;
  int answers = 0;
  const auto reply = [&](std::optional<Batch> batch, const Context& context) {
    ++answers;
    CHECK_FALSE(batch.has_value());
    CHECK((*context.states())[0].reason == "no answer");
  };
  {
    Completion completion(Context(services, "s", 0, std::make_shared<const EventStates>(1)), reply);
  }
  CHECK(answers == 1);
}

TEST_CASE("a completion answers once, also after it has moved") {
  int answers = 0;
  {
    Completion first(Context(1), [&](std::optional<Batch> batch, const Context&) {
      ++answers;
      CHECK(batch.has_value());
    });
    Completion second(std::move(first));
    std::move(second).answer(Batch(1));
  }
  CHECK(answers == 1);
}

TEST_CASE("a delivery settles what lives and keeps what is settled") {
  EventStates outcome;
  Delivery delivery(EventStates(3), [&](EventStates states) { outcome = std::move(states); });
  delivery.fail(0, "write");
  std::move(delivery).deliver();
  REQUIRE(outcome.size() == 3);
  CHECK(outcome[0].fate == Fate::failed);
  CHECK(outcome[1].fate == Fate::delivered);
}
