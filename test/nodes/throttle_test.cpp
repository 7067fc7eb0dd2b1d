#include "nodes/throttle.h"

#include <atomic>
#include <chrono>
#include <vector>

#include <doctest/doctest.h>

#include "graph/fake_run.h"

using namespace pnflow;
using namespace pnflow::test;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

struct Stage {
  explicit Stage(Throttle::Params params) : throttle(params) { throttle.open(open_context); }

  void submit(int count) {
    for (int i = 0; i < count; ++i) {
      Batch batch(1);
      batch.set_attribute("number", std::int64_t{i});
      throttle.submit(std::move(batch),
                      Completion(Context(1), [this](std::optional<Batch> answer, const Context&) {
                        REQUIRE(answer);
                        numbers.push_back(std::get<std::int64_t>(*answer->attribute("number")));
                        times.push_back(Clock::now());
                        ++answers;
                      }));
    }
  }
  void wait_for(int count) const {
    const auto deadline = Clock::now() + 20s;
    while (answers < count && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
    REQUIRE(answers == count);
  }

  FakeServices services;
  FakeOpen open_context{services};
  std::vector<std::int64_t> numbers;  // written by the throttle's thread, read once all are here
  std::vector<Clock::time_point> times;
  std::atomic<int> answers = 0;
  Throttle throttle;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

TEST_CASE("delays add up: one message passes after the other, in order") {
  Stage stage({.delay = 20ms, .rate = {}});
  const auto start = Clock::now();
  stage.submit(5);
  CHECK(seconds_since(start) < 0.02);
  stage.wait_for(5);
  CHECK(seconds_since(start) >= 0.1);
  CHECK(stage.numbers == std::vector<std::int64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("a rate is the number of messages per second") {
  Stage stage({.delay = Duration{0}, .rate = Rate{100}});
  const auto start = Clock::now();
  stage.submit(21);
  stage.wait_for(21);
  CHECK(seconds_since(start) >= 0.2);
  CHECK(seconds_since(start) < 2);
}

TEST_CASE("an abort ends all waiting at once") {
  Stage stage({.delay = 60s, .rate = {}});
  stage.submit(100);
  const auto start = Clock::now();
  stage.services.abort = true;
  stage.wait_for(100);
  CHECK(seconds_since(start) < 2);
}

TEST_CASE("closing answers what is still waiting") {
  Stage stage({.delay = 60s, .rate = {}});
  stage.submit(3);
  stage.throttle.close();
  CHECK(stage.answers == 3);
}
