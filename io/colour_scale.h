#pragma once

#include <cstdint>
#include <span>

#include "io/png_file.h"

namespace pnflow {

enum class ColourMap { viridis, grey };

// From pixel values to colours, brighter with every larger value. The scale is logarithmic above
// the background and linear within it, log(1 + (v - low) / unit), so that neither a few bright
// spots nor the noise take all of the colours: low is the 1st percentile of the values, unit the
// distance of their median from it, and the brightest value has the last colour.
// Immutable, so safe to use from any thread.
class ColourScale {
 public:
  // `values` are finite, and reordered. Of none, or of equal ones, the first colour is made.
  ColourScale(std::span<double> values, ColourMap map);

  double low() const { return low_; }
  double high() const { return high_; }
  // Of a finite value; those outside low() to high() have the colours of these.
  Rgb operator()(double value) const;

 private:
  double low_ = 0, high_ = 0, unit_ = 1;
  ColourMap map_;
};

}  // namespace pnflow
