#include "nodes/peak_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

namespace pnflow {
namespace {

std::vector<int> kept_of(std::size_t limit, const std::vector<double>& totals) {
  StrongestPeaks strongest(limit);
  for (std::size_t i = 0; i < totals.size(); ++i) {
    Peak peak;
    peak.npix = static_cast<int>(i);
    peak.total = totals[i];
    strongest.add(peak);
  }
  std::vector<int> out;
  for (const Peak& peak : strongest.take()) out.push_back(peak.npix);
  return out;
}

TEST_CASE("the strongest peaks are kept in the order in which they came") {
  CHECK(kept_of(2, {1, 5, 2, 4, 3}) == std::vector{1, 3});
  CHECK(kept_of(1, {1, 5, 2, 4, 3}) == std::vector{1});
  CHECK(kept_of(9, {1, 5, 2}) == std::vector{0, 1, 2});
  CHECK(kept_of(3, {}).empty());
}

TEST_CASE("among equals the earlier ones are kept") {
  CHECK(kept_of(3, std::vector<double>(50, 1.0)) == std::vector{0, 1, 2});
}

TEST_CASE("a total that is not a number is the weakest") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(kept_of(2, {nan, -1, nan, -2, nan}) == std::vector{1, 3});
}

TEST_CASE("of many peaks the same ones are kept as by sorting them all") {
  std::mt19937 random(11);
  std::uniform_int_distribution<int> total(0, 40);  // many equals
  std::vector<double> totals(1000);
  for (double& value : totals) value = total(random);
  for (const std::size_t limit : {1, 7, 100, 999, 1000, 5000}) {
    std::vector<int> expected(totals.size());
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<int>(i);
    std::ranges::stable_sort(expected, std::ranges::greater{},
                             [&](int i) { return totals[static_cast<std::size_t>(i)]; });
    expected.resize(std::min(limit, expected.size()));
    std::ranges::sort(expected);
    CHECK(kept_of(limit, totals) == expected);
  }
}

TEST_CASE("a table has the columns, dtypes and offsets that it promises") {
  Peak peak;
  peak.panel = 2;
  peak.y = 1.25;
  peak.x = 7.5;
  peak.npix = 4;
  peak.total = 100;
  peak.maximum = 60;
  peak.background = 3;
  peak.sigma = 2;
  peak.snr = 25;
  peak.box = {.y0 = 1, .x0 = 7, .y1 = 2, .x1 = 8};
  PeakTable table;
  table.add_event({});
  table.add_event({peak, peak});
  table.add_event({});
  const RaggedTable out = table.build(*heap_pool());
  CHECK(out.offsets == std::vector<std::size_t>{0, 0, 2, 2});
  CHECK(out.columns.size() == 10);
  CHECK(out.column("panel").as<std::int32_t>()[1] == 2);
  CHECK(out.column("y").as<double>()[0] == 1.25);
  CHECK(out.column("x").as<double>()[1] == 7.5);
  CHECK(out.column("npix").as<std::int32_t>()[0] == 4);
  CHECK(out.column("total").as<float>()[0] == 100);
  CHECK(out.column("maximum").as<float>()[0] == 60);
  CHECK(out.column("background").as<float>()[0] == 3);
  CHECK(out.column("sigma").as<float>()[0] == 2);
  CHECK(out.column("snr").as<float>()[0] == 25);
  CHECK(out.column("bbox").shape() == Shape{2, 4});
  const auto box = out.column("bbox").as<std::int32_t>();
  CHECK(std::vector<std::int32_t>(box.begin() + 4, box.end()) == std::vector{1, 7, 2, 8});
}

}  // namespace
}  // namespace pnflow
