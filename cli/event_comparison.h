#pragma once

#include <cstddef>
#include <span>

#include "io/crystfel_panels.h"
#include "io/crystfel_stream.h"
#include "io/cxi_reader.h"

namespace pnflow {

struct ComparisonOptions {
  // Pixels between a peak and its reflection at most. Predicted positions are off by one or two;
  // CrystFEL itself integrates 4 around them.
  double radius = 3;
  double min_snr = 0;  // I / sigma(I) of the reflections that are to be found; 0: all
};

// Peaks minus reflections, in pixels.
struct SpotOffsets {
  std::size_t count = 0;
  double sum_x = 0, sum_y = 0, squares_x = 0, squares_y = 0;

  void add(double dx, double dy);
  void add(const SpotOffsets& other);
  // Of none: NaN. The RMS is that of the offsets themselves, not of what is left without the mean.
  double mean_x() const;
  double mean_y() const;
  double rms_x() const;
  double rms_y() const;
};

// What pnflow and CrystFEL found in the same images, added up.
struct SpotCounts {
  std::size_t events = 0, crystals = 0;
  std::size_t peaks = 0;         // ours
  std::size_t explained = 0;     // of these, with a reflection within the radius
  std::size_t reflections = 0;   // of CrystFEL's crystals, on their panel, not weak
  std::size_t found = 0;         // of these, with a peak of ours within the radius
  std::size_t weak = 0;          // below min_snr: none of `reflections`, yet they explain peaks
  std::size_t off_panel = 0;     // or at no position at all
  std::size_t stream_peaks = 0;  // that CrystFEL lists as its own
  SpotOffsets offsets{};         // of the explained peaks from their nearest reflection

  void add(const SpotCounts& other);
  double recall() const;     // found / reflections; of none: NaN
  double precision() const;  // explained / peaks; of none: NaN
};

// Compares the peaks of an event (0-based pixel centres) with the reflections of its chunk (see
// CrystfelStream for their positions). `height` and `width` of the image, 0 when they are not
// known. A peak and a reflection of another panel are never near: `panels` tells them apart, as
// far as it knows the panels. Thread-safe.
SpotCounts compare_event(std::span<const StoredPeak> peaks, const StreamChunk& chunk,
                         const CrystfelPanels& panels, std::size_t height, std::size_t width,
                         const ComparisonOptions& options);

}  // namespace pnflow
