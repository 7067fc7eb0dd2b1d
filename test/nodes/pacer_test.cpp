#include "nodes/pacer.h"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <thread>

#include "graph/fake_run.h"

using namespace pnflow;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

TEST_CASE("a pacer without a rate holds nothing back, with one no more than it has to") {
  test::FakeServices services;
  test::FakeSource run(services);
  Pacer free(Rate{});
  const auto start = Clock::now();
  for (int i = 0; i < 1000; ++i) CHECK(free.wait_for_turn(100, run));
  Pacer slow(Rate{100});
  for (int i = 0; i < 4; ++i) CHECK(slow.wait_for_turn(5, run));  // at 0, 50, 100 and 150 ms
  CHECK(Clock::now() - start >= 150ms);
}

TEST_CASE("recorded times are kept from the first one on, and the past is not waited for") {
  test::FakeServices services;
  test::FakeSource run(services);
  Pacer pacer(Rate{});
  constexpr std::int64_t base = 1'700'000'000'000'000'000;
  const auto start = Clock::now();
  CHECK(pacer.wait_for_time(base, run));
  CHECK(pacer.wait_for_time(base - 5'000'000'000, run));
  CHECK(pacer.wait_for_time(base + 60'000'000, run));
  CHECK(Clock::now() - start >= 60ms);
  pacer.restart();
  CHECK(pacer.wait_for_time(base + 3'600'000'000'000, run));  // the first of the next pass
}

TEST_CASE("a wait ends with the run, however far away or absurd the time is") {
  test::FakeServices services;
  test::FakeSource run(services);
  Pacer pacer(Rate{});
  CHECK(pacer.wait_for_time(-1'000'000'000, run));
  std::thread stops([&] {
    std::this_thread::sleep_for(100ms);
    run.stop = true;
  });
  CHECK_FALSE(pacer.wait_for_time(std::numeric_limits<std::int64_t>::max() - 2'000'000'000, run));
  stops.join();
  CHECK_FALSE(services.line_with("the next message came ").empty());
  CHECK_FALSE(pacer.wait_for_time(std::numeric_limits<std::int64_t>::max(), run));
}
