// Each node alone: made from its parameters, given a batch, asked for its answer. No graph, no
// threads.

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "brightest.h"
#include "csv_writer.h"
#include "gradient_source.h"
#include "graph/error.h"
#include "graph/fake_run.h"

using namespace pnflow;

namespace {

// Events of 2 x 2 pixels.
Batch events_of(const std::vector<std::uint16_t>& pixels) {
  Batch batch(pixels.size() / 4);
  batch.set("image", array_of(*heap_pool(), pixels).reshaped({pixels.size() / 4, 2, 2}));
  return batch;
}

std::string text_of(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("brightest vetoes dark events and leaves those alone that are not alive") {
  const my_nodes::Brightest node({.threshold = 100});
  const Batch batch = events_of({1, 2, 3, 4, 5, 100, 6, 7, 900, 8, 9, 10});
  Context context(3);
  context.fail(2, "no beam");
  const Batch answer = node.process(batch, context);

  CHECK((*context.states())[0].fate == Fate::vetoed);
  CHECK((*context.states())[0].reason == "dark");
  CHECK(context.alive(1));
  CHECK((*context.states())[2].reason == "no beam");
  CHECK(answer.array("brightest").as<double>()[0] == 4);
  CHECK(answer.array("brightest").as<double>()[1] == 100);
  // The images have not been copied.
  CHECK(answer.array("image").raw().data() == batch.array("image").raw().data());
}

TEST_CASE("gradient_source gives every event once, with the pixels that it promises") {
  test::FakeServices services;
  test::FakeOpen open(services);
  test::FakeSource run(services);
  my_nodes::GradientSource source(
      {.count = 5, .events_per_message = 2, .rate = {}, .shape = {3, 4}, .step = 10});
  source.open(open);
  CHECK(open.expected_events == 5);

  std::uint64_t next = 0;
  while (const std::optional<Batch> batch = source.next(run)) {
    for (std::size_t i = 0; i < batch->events(); ++i, ++next) {
      CHECK(batch->array("number").as<std::uint64_t>()[i] == next);
      const Array image = batch->array("image").at(i);
      REQUIRE(image.shape() == Shape{3, 4});
      for (std::size_t p = 0; p < 12; ++p) {
        CHECK(image.as<float>()[p] == 10.0F * static_cast<float>(next) + static_cast<float>(p % 4));
      }
    }
  }
  CHECK(next == 5);
}

TEST_CASE("gradient_source ends when the run is stopped, however slow its rate") {
  test::FakeServices services;
  test::FakeSource run(services);
  my_nodes::GradientSource source({.count = 5, .events_per_message = 1, .rate = Rate{0.001}});
  CHECK(source.next(run).has_value());
  run.stop = true;
  CHECK(!source.next(run).has_value());
}

TEST_CASE("csv_writer writes the living events and delivers them") {
  const std::string file = "my_nodes_test.csv";
  test::FakeServices services;
  test::FakeOpen open(services);
  my_nodes::CsvWriter writer({.file = file});
  writer.open(open);

  Batch batch = events_of({1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8});
  batch.set("number", array_of(*heap_pool(), std::vector<std::uint64_t>{10, 11, 12}));
  batch.set("brightest", array_of(*heap_pool(), std::vector<double>{4, 0, 8}));
  Context context(3);
  context.veto(1, "dark");
  EventStates outcome;
  writer.write(writer.prepare(batch, context), Delivery(*context.states(), [&](EventStates states) {
                 outcome = std::move(states);
               }));

  CHECK(text_of(file) == "number,sum,brightest\n10,10,4\n12,26,8\n");
  REQUIRE(outcome.size() == 3);
  CHECK(outcome[0].fate == Fate::delivered);
  CHECK(outcome[1].fate == Fate::vetoed);
  CHECK(outcome[2].fate == Fate::delivered);
  std::remove(file.c_str());
}

TEST_CASE("csv_writer says so when its file cannot be written or the disk is full") {
  test::FakeServices services;
  test::FakeOpen open(services);
  my_nodes::CsvWriter nowhere({.file = "/no/such/directory/sums.csv"});
  CHECK_THROWS_WITH_AS(nowhere.open(open), "cannot write '/no/such/directory/sums.csv'", RunError);

  // The device takes no byte, as a full disk does.
  my_nodes::CsvWriter full({.file = "/dev/full"});
  CHECK_THROWS_AS(full.open(open), RunError);
}
