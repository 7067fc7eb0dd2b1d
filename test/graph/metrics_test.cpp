#include "graph/metrics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

using namespace pnflow;
using std::chrono::nanoseconds;

TEST_CASE("quantiles of a histogram are right to an eighth, over nine decades") {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> exponent(0, 9);
  Histogram histogram;
  std::vector<std::int64_t> all;
  for (int i = 0; i < 20'000; ++i) {
    all.push_back(static_cast<std::int64_t>(std::pow(10.0, exponent(random))));
    histogram.add(nanoseconds(all.back()));
  }
  std::ranges::sort(all);
  for (const double q : {0.01, 0.5, 0.9, 0.99}) {
    const auto exact = static_cast<double>(all[static_cast<std::size_t>(q * 20'000) - 1]);
    const auto found = static_cast<double>(histogram.quantile(q).count());
    CAPTURE(q);
    CHECK(found >= exact);
    CHECK(found <= exact * 1.126 + 1);
  }
  CHECK(histogram.max().count() == all.back());
  CHECK(histogram.quantile(1).count() == all.back());
  CHECK(histogram.count() == 20'000);
}

TEST_CASE("a histogram takes the shortest and the longest durations") {
  Histogram histogram;
  CHECK(histogram.quantile(0.5).count() == 0);
  histogram.add(nanoseconds(-5));
  histogram.add(nanoseconds::max());
  CHECK(histogram.quantile(0.5).count() == 0);
  CHECK(histogram.quantile(1) == nanoseconds::max());
}

TEST_CASE("a node's depth goes up with arrivals and keeps its peak") {
  NodeMetrics metrics;
  metrics.arrived();
  metrics.arrived();
  metrics.taken_up(nanoseconds(5), 17);
  metrics.finished(nanoseconds(100), 3);
  metrics.count("peaks", 2);
  metrics.count("peaks", 3);
  const auto now = metrics.snapshot();
  CHECK(now.depth == 1);
  CHECK(now.depth_peak == 2);
  CHECK(now.messages == 1);
  CHECK(now.events == 3);
  CHECK(now.waiting.count() == 5);
  CHECK(now.last_message == 17);
  CHECK(now.counters.at("peaks") == 5);
}

TEST_CASE("messages in work at the same time make a node busy once") {
  using namespace std::chrono_literals;
  NodeMetrics metrics;
  const auto start = Clock::now();
  for (int i = 0; i < 5; ++i) metrics.entered();
  std::this_thread::sleep_for(5ms);
  CHECK(metrics.snapshot().busy >= 5ms);
  for (int i = 0; i < 5; ++i) metrics.answered(5ms, 2);
  const auto now = metrics.snapshot();
  CHECK(now.busy >= 5ms);
  CHECK(now.busy <= Clock::now() - start);
  CHECK(now.messages == 5);
  CHECK(now.events == 10);
  CHECK(metrics.snapshot().busy == now.busy);
}
