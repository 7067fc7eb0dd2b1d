#include "io/peak_score.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <iterator>

namespace pnflow {
namespace {

double ratio(std::size_t part, std::size_t all) {
  return all == 0 ? std::numeric_limits<double>::quiet_NaN()
                  : static_cast<double>(part) / static_cast<double>(all);
}

struct FoundPeak {
  double panel, fs, ss;  // the panel is a whole number, or NaN
};

struct Pair {
  double distance;
  std::size_t peak, spot;
  auto operator<=>(const Pair&) const = default;
};

struct Offset {
  double fs, ss;
  double snr;  // of the reflection
  double distance() const { return std::hypot(fs, ss); }
};

FoundPeak in_panel(const StoredPeak& peak, std::size_t height) {
  const auto rows = static_cast<double>(height);
  const double panel = std::floor((peak.y + 0.5) / rows);
  return {panel, peak.x, peak.y - panel * rows};
}

// Linear interpolation between the closest ranks. `sorted` is not empty.
double percentile(std::span<const double> sorted, double share) {
  const double rank = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], rank - std::floor(rank));
}

PositionError error_of(std::span<const Offset> offsets) {
  if (offsets.empty()) return {};
  std::vector<double> distances;
  double sum_fs = 0, sum_ss = 0;
  for (const Offset& offset : offsets) {
    distances.push_back(offset.distance());
    sum_fs += offset.fs;
    sum_ss += offset.ss;
  }
  std::ranges::sort(distances);
  const auto count = static_cast<double>(offsets.size());
  return {.median = percentile(distances, 0.5),
          .p95 = percentile(distances, 0.95),
          .mean_fs = sum_fs / count,
          .mean_ss = sum_ss / count};
}

class Scorer {
 public:
  Scorer(std::size_t height, double radius) : height_(height), radius_(radius) {}

  void add(const TrueEvent& event, const EventPeaks& peaks) {
    ++(event.has_crystal ? score_.crystals : score_.blanks);
    std::vector<bool> found(event.spots.size());
    if (peaks) {
      ++(event.has_crystal ? score_.crystals_present : score_.blanks_present);
      match(event, *peaks, found);
    }
    count_reflections(event, found);
    ++events_;
  }

  PeakScore score() && {
    score_.position = error_of(offsets_);
    for (SnrBin& bin : score_.bins) {
      std::vector<Offset> here;
      std::ranges::copy_if(offsets_, std::back_inserter(here),
                           [&](const Offset& offset) { return bin.holds(offset.snr); });
      bin.position = error_of(here).median;
    }
    return score_;
  }

 private:
  void match(const TrueEvent& event, const std::vector<StoredPeak>& stored,
             std::vector<bool>& found) {
    std::vector<FoundPeak> peaks;
    for (const StoredPeak& peak : stored) peaks.push_back(in_panel(peak, height_));
    std::vector<Pair> pairs;
    std::vector<bool> near_wanted(peaks.size()), near_other(peaks.size()), taken(peaks.size());
    for (std::size_t i = 0; i < peaks.size(); ++i) {
      for (std::size_t j = 0; j < event.spots.size(); ++j) {
        const TrueSpot& spot = event.spots[j];
        if (peaks[i].panel != static_cast<double>(spot.panel)) continue;
        const double distance = std::hypot(peaks[i].fs - spot.fs, peaks[i].ss - spot.ss);
        if (!(distance <= radius_)) continue;
        if (spot.wanted) pairs.push_back({distance, i, j});
        (spot.wanted ? near_wanted : near_other)[i] = true;
      }
    }
    std::ranges::sort(pairs);
    for (const Pair& pair : pairs) {
      if (taken[pair.peak] || found[pair.spot]) continue;
      taken[pair.peak] = found[pair.spot] = true;
      offsets_.push_back({peaks[pair.peak].fs - event.spots[pair.spot].fs,
                          peaks[pair.peak].ss - event.spots[pair.spot].ss,
                          event.spots[pair.spot].snr});
    }
    for (std::size_t i = 0; i < peaks.size(); ++i) {
      if (taken[i]) {
        ++score_.matched;
      } else if (near_wanted[i]) {
        ++score_.duplicate;
      } else if (near_other[i]) {
        ++score_.ignored;
      } else {
        ++score_.spurious;
        score_.spurious_on_blanks += event.has_crystal ? 0 : 1;
      }
    }
  }

  void count_reflections(const TrueEvent& event, const std::vector<bool>& found) {
    PeakScore::Worst strong{.event = events_};
    for (std::size_t j = 0; j < event.spots.size(); ++j) {
      const TrueSpot& spot = event.spots[j];
      if (!spot.wanted) continue;
      ++score_.reflections;
      for (SnrBin& bin : score_.bins) {
        if (!bin.holds(spot.snr)) continue;
        ++bin.reflections;
        bin.found += found[j] ? 1 : 0;
      }
      if (!(spot.snr >= PeakScore::strong_snr)) continue;
      ++strong.reflections;
      strong.found += found[j] ? 1 : 0;
    }
    if (strong.reflections == 0) return;
    if (!score_.worst || strong.lost() > score_.worst->lost()) score_.worst = strong;
  }

  std::size_t height_;
  double radius_;
  std::size_t events_ = 0;
  std::vector<Offset> offsets_;
  PeakScore score_;
};

}  // namespace

bool SnrBin::holds(double snr) const { return snr >= from && snr < to; }
double SnrBin::recall() const { return ratio(found, reflections); }
double PeakScore::Worst::lost() const { return ratio(reflections - found, reflections); }
double PeakScore::recall() const { return ratio(matched, reflections); }
double PeakScore::precision() const { return ratio(matched, matched + duplicate + spurious); }
double PeakScore::f1() const {
  return ratio(2 * matched, reflections + matched + duplicate + spurious);
}

PeakScore score_peaks(const PeakTruth& truth, std::span<const EventPeaks> found, double radius) {
  Scorer scorer(truth.height, radius);
  for (std::size_t i = 0; i < truth.events.size(); ++i) scorer.add(truth.events[i], found[i]);
  return std::move(scorer).score();
}

}  // namespace pnflow
