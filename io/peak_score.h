#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "io/cxi_reader.h"
#include "io/peak_truth.h"

namespace pnflow {

// The reflections of from <= SNR < to: how many are found, and how far off in the median, in
// pixels.
struct SnrBin {
  double from = 0, to = 0;
  std::size_t reflections = 0, found = 0;
  double position = std::numeric_limits<double>::quiet_NaN();  // of none found: NaN

  bool holds(double snr) const;
  double recall() const;  // of none: NaN
};

// Found minus true position of matched peaks, in pixels; NaN of none.
struct PositionError {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  double median = unknown, p95 = unknown;  // of the distances; percentiles are interpolated
  double mean_fs = unknown, mean_ss = unknown;
};

// How peaks compare with the truth.
struct PeakScore {
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  static constexpr double strong_snr = 5;
  // The event that lost the largest share of its strong reflections; of equal ones the first.
  struct Worst {
    std::size_t event = 0;                   // its number in the truth
    std::size_t reflections = 0, found = 0;  // of strong_snr or more
    double lost() const;                     // share
  };

  std::size_t crystals = 0, blanks = 0;                  // events of the truth
  std::size_t crystals_present = 0, blanks_present = 0;  // of which there are peak lists
  std::size_t reflections = 0;                           // that are wanted
  // Peaks. Each matched one is a reflection found.
  std::size_t matched = 0, duplicate = 0, spurious = 0, ignored = 0;
  std::size_t spurious_on_blanks = 0;
  std::array<SnrBin, 6> bins{{{3.5, 4}, {4, 5}, {5, 7}, {7, 10}, {10, 20}, {20, infinity}}};
  PositionError position;
  std::optional<Worst> worst;  // nothing when no event has strong reflections

  // matched / reflections, matched / (matched + duplicate + spurious), and their harmonic mean.
  // Over nothing: NaN.
  double recall() const;
  double precision() const;
  double f1() const;
};

// The peak list of an event; nothing: the event is not there (vetoed, or lost).
using EventPeaks = std::optional<std::vector<StoredPeak>>;

// `found` has an entry for each event of the truth. Positions are those of a slab in which the
// panels lie one below the other. In each event the pairs of a peak and a wanted reflection of the
// same panel, at most `radius` pixels apart, are taken nearest first (equally near ones in the
// order of the peaks, then of the reflections), each peak and each reflection once. A peak that is
// left over is a duplicate when a wanted reflection lies within the radius, ignored when another
// true spot does, else spurious. Events that are not there have found none. Thread-safe.
PeakScore score_peaks(const PeakTruth& truth, std::span<const EventPeaks> found, double radius);

}  // namespace pnflow
