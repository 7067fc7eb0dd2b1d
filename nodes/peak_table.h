#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "graph/batch.h"
#include "graph/memory.h"
#include "nodes/connected_components.h"

namespace pnflow {

// One peak of one event, in coordinates of its panel as it was received: 0-based indices of pixel
// centres, y the row (slow axis), x the column (fast axis).
struct Peak {
  std::int32_t panel = 0;
  double y = 0, x = 0;
  std::int32_t npix = 0;
  double total = 0, maximum = 0, background = 0, sigma = 0, snr = 0;
  PixelBox box;
  std::uint64_t order = 0;  // among the peaks of its event: by panel, then by label
};

// Keeps the `limit` strongest of any number of peaks, by total intensity, the earlier one first
// among equals. Memory is proportional to the limit, time to the number of peaks.
class StrongestPeaks {
 public:
  explicit StrongestPeaks(std::size_t limit) : limit_(limit) {}

  void add(const Peak& peak);
  // The peaks kept, in the order in which they were added; starts afresh.
  std::vector<Peak> take();

 private:
  void cut();

  std::size_t limit_;
  std::uint64_t added_ = 0;
  std::vector<Peak> peaks_;
};

// The field "peaks" of a batch: a ragged table with these columns.
//   panel       int32    index of the panel, 0 without a panel axis
//   y, x        float64  position in the panel, see Peak
//   npix        int32    pixels of the component
//   total, maximum, background, sigma, snr   float32, see peak_properties.h
//   bbox        int32    (rows, 4): y0, x0, y1, x1 of the bounding box, both ends included
class PeakTable {
 public:
  // The peaks of the next event.
  void add_event(const std::vector<Peak>& peaks);
  // Columns are allocated from `pool`.
  RaggedTable build(MemoryPool& pool) const;

 private:
  std::vector<std::size_t> offsets_{0};
  std::vector<Peak> peaks_;
};

}  // namespace pnflow
