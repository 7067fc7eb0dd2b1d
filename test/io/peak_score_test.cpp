#include "io/peak_score.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace pnflow {
namespace {

constexpr std::size_t height = 10;

TrueSpot wanted(std::size_t panel, double fs, double ss, double snr = 8) {
  return {.panel = panel, .fs = fs, .ss = ss, .snr = snr, .wanted = true};
}

TrueSpot unwanted(std::size_t panel, double fs, double ss) {
  return {.panel = panel, .fs = fs, .ss = ss, .snr = 2};
}

StoredPeak peak(double x, double y) { return {.x = x, .y = y}; }

PeakScore score(std::vector<TrueEvent> events, const std::vector<EventPeaks>& found,
                double radius = 2) {
  return score_peaks({.panels = 3, .height = height, .width = 20, .events = std::move(events)},
                     found, radius);
}

PeakScore score_of_crystal(std::vector<TrueSpot> spots, std::vector<StoredPeak> peaks) {
  return score({{.timestamp = 1, .has_crystal = true, .spots = std::move(spots)}},
               {std::move(peaks)});
}

TEST_CASE("pairs are taken nearest first, each peak and each reflection once") {
  // In the order of the peaks the first would take the reflection of the second.
  const PeakScore one =
      score_of_crystal({wanted(0, 5, 5), wanted(0, 7.5, 5)}, {peak(6.2, 5), peak(5.1, 5)});
  CHECK(one.matched == 2);
  CHECK(one.duplicate == 0);
  CHECK(one.position.mean_fs == doctest::Approx((0.1 - 1.3) / 2));
  // Nearest first, not the most pairs: the second reflection stays without one.
  const PeakScore two =
      score_of_crystal({wanted(0, 5, 5), wanted(0, 8, 5)}, {peak(6.4, 5), peak(3.5, 5)});
  CHECK(two.matched == 1);
  CHECK(two.position.mean_fs == doctest::Approx(1.4));
}

TEST_CASE("of equally near pairs the first peak is taken, then the first reflection") {
  const PeakScore first =
      score_of_crystal({wanted(0, 5, 5), wanted(0, 7, 5)}, {peak(6, 5), peak(6, 5)});
  CHECK(first.matched == 2);
  CHECK(first.position.mean_fs == 0);
  const PeakScore peaks = score_of_crystal({wanted(0, 5, 5)}, {peak(4, 5), peak(6, 5)});
  CHECK(peaks.position.mean_fs == -1);
  CHECK(peaks.duplicate == 1);
  const PeakScore spots = score_of_crystal({wanted(0, 7, 5), wanted(0, 5, 5)}, {peak(6, 5)});
  CHECK(spots.position.mean_fs == -1);
}

TEST_CASE("a peak that is left over is a duplicate, ignored or spurious, in that order") {
  const PeakScore found =
      score_of_crystal({wanted(0, 5, 5), unwanted(0, 6, 5), unwanted(1, 12, 3)},
                       {peak(5, 5), peak(6.5, 5), peak(12, 14), peak(15, 5), peak(7.5, 5)});
  CHECK(found.matched == 1);
  CHECK(found.duplicate == 1);  // near both kinds
  CHECK(found.ignored == 2);    // on panel 1, and near the unwanted one alone
  CHECK(found.spurious == 1);
  CHECK(found.spurious_on_blanks == 0);
  CHECK(found.reflections == 1);
  CHECK(found.recall() == 1);
  CHECK(found.precision() == doctest::Approx(1 / 3.0));
  CHECK(found.f1() == doctest::Approx(2 / (1 / 1.0 + 3)));
}

TEST_CASE("the radius belongs to the near, and panels do not touch each other") {
  CHECK(score_of_crystal({wanted(0, 5, 5)}, {peak(7, 5)}).matched == 1);
  CHECK(score_of_crystal({wanted(0, 5, 5)}, {peak(7.01, 5)}).matched == 0);
  // Rows 9 and 10 of the slab are the last of panel 0 and the first of panel 1. A position
  // between pixels belongs to the one whose area it lies in.
  CHECK(score_of_crystal({wanted(0, 5, 9)}, {peak(5, 10)}).matched == 0);
  CHECK(score_of_crystal({wanted(1, 5, 0)}, {peak(5, 10)}).matched == 1);
  CHECK(score_of_crystal({wanted(0, 5, 9)}, {peak(5, 9.4)}).matched == 1);
  CHECK(score_of_crystal({wanted(1, 5, 0)}, {peak(5, 9.6)}).matched == 1);
}

TEST_CASE("positions that are no numbers, or on no panel, are spurious") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const PeakScore found = score_of_crystal({wanted(0, 5, 5), wanted(2, nan, 5)},
                                           {peak(nan, 5), peak(5, nan), peak(5, infinity),
                                            peak(-infinity, 5), peak(5, -30), peak(5, 1e9)});
  CHECK(found.matched == 0);
  CHECK(found.spurious == 6);
  CHECK(found.reflections == 2);
}

TEST_CASE("an event that is not there has found nothing, and its blank has no false peaks") {
  const PeakScore found = score(
      {{.timestamp = 1, .has_crystal = true, .spots = {wanted(0, 5, 5)}},
       {.timestamp = 2, .has_crystal = true, .spots = {wanted(0, 5, 5)}},
       {.timestamp = 3, .spots = {unwanted(0, 5, 5)}},
       {.timestamp = 4}},
      {std::nullopt, std::vector{peak(5, 5)}, std::vector{peak(5, 5), peak(15, 5)}, std::nullopt});
  CHECK(found.crystals == 2);
  CHECK(found.crystals_present == 1);
  CHECK(found.blanks == 2);
  CHECK(found.blanks_present == 1);
  CHECK(found.recall() == 0.5);
  CHECK(found.precision() == 0.5);
  CHECK(found.spurious_on_blanks == 1);
  CHECK(found.ignored == 1);
  REQUIRE(found.worst);
  CHECK(found.worst->event == 0);
  CHECK(found.worst->lost() == 1);
}

TEST_CASE("a bin has its lower bound, and the worst event counts from SNR 5 on") {
  const PeakScore found =
      score({{.timestamp = 1,
              .has_crystal = true,
              .spots = {wanted(0, 2, 5, 3.5), wanted(0, 7, 5, 4), wanted(0, 12, 5, 4.999),
                        wanted(0, 17, 5, 5), wanted(1, 2, 5, 20), wanted(1, 7, 5, 1e6)}},
             {.timestamp = 2,
              .has_crystal = true,
              .spots = {wanted(0, 2, 5, 4), wanted(0, 7, 5, 7), wanted(0, 12, 5, 10)}}},
            {std::vector{peak(2, 5), peak(17, 5), peak(2, 15)}, std::vector{peak(12, 5)}});
  const std::vector<std::pair<std::size_t, std::size_t>> expected = {{1, 1}, {0, 3}, {1, 1},
                                                                     {0, 1}, {1, 1}, {1, 2}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(found.bins[i].found == expected[i].first);
    CHECK(found.bins[i].reflections == expected[i].second);
  }
  REQUIRE(found.worst);
  CHECK(found.worst->event == 1);
  CHECK(found.worst->found == 1);
  CHECK(found.worst->reflections == 2);
}

TEST_CASE("a bin has the median distance of its peaks") {
  const PeakScore found = score_of_crystal(
      {wanted(0, 2, 5, 4), wanted(0, 7, 5, 4.5), wanted(0, 12, 5, 30), wanted(0, 17, 5, 6)},
      {peak(2.2, 5), peak(7, 5.4), peak(13, 5)});
  CHECK(found.bins[1].position == doctest::Approx(0.3));
  CHECK(found.bins[5].position == doctest::Approx(1));
  CHECK(std::isnan(found.bins[2].position));
}

TEST_CASE("median and 95% are interpolated between the distances") {
  std::vector<TrueSpot> spots;
  std::vector<StoredPeak> peaks;
  for (int i = 0; i < 4; ++i) {
    spots.push_back(wanted(0, 5.0 * i, 5));
    peaks.push_back(peak(5.0 * i + 0.3 * i, 5 + 0.4 * i));
  }
  const PeakScore found = score_of_crystal(spots, peaks);
  CHECK(found.position.median == doctest::Approx(0.75));
  CHECK(found.position.p95 == doctest::Approx(1 + 0.85 * 0.5));
  CHECK(found.position.mean_fs == doctest::Approx(0.45));
  CHECK(found.position.mean_ss == doctest::Approx(0.6));
}

TEST_CASE("ratios over nothing are no numbers") {
  const PeakScore nothing = score({}, {});
  CHECK(std::isnan(nothing.recall()));
  CHECK(std::isnan(nothing.precision()));
  CHECK(std::isnan(nothing.f1()));
  CHECK(std::isnan(nothing.bins[0].recall()));
  CHECK(std::isnan(nothing.position.median));
  CHECK_FALSE(nothing.worst);
  const PeakScore blind = score_of_crystal({wanted(0, 5, 5)}, {});
  CHECK(blind.recall() == 0);
  CHECK(std::isnan(blind.precision()));
  CHECK(blind.f1() == 0);
}

}  // namespace
}  // namespace pnflow
