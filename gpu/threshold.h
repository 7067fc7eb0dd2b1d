#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gpu/engine_settings.h"
#include "gpu/threshold_rule.h"
#include "graph/dtype.h"

namespace pnflow {

// A peak finder without a network. For each image by itself, `good` being the pixels that are
// neither masked nor without a finite value:
//
// 1. Pixels become whole numbers x of 1/128 ADU, rounded half to even, kept within +-2^19 ADU.
// 2. Mean and variance of the background at a pixel are those of the pixels that count in the
//    window of (2 radius + 1)^2 about it, clipped at the image's edges. At first all good pixels
//    count; then, twice, the good pixels that are not brighter than mean + `clip` * sigma. Sigma is
//    the square root of the population variance, and at least `min_sigma`.
// 3. A pixel is *lit* when it is good, at least 1/8 of a whole window counts, and it exceeds the
//    mean by more than `grow_snr` * sigma and by more than `grow_adu`.
// 4. With mean and sigma of the pixel in the middle, I is the sum of (x - mean) over the n good
//    pixels of the 3x3 about it, and T the largest one of these. The pixel is a *seed* when it is
//    lit, at least `min_pixels` of the 3x3 are lit, I > `snr` * sigma * sqrt(n), I >
//    `min_intensity`, and T < `max_share` * I (a spot spreads its light, a hot pixel does not).
// 5. Found are the seeds and the lit pixels next to one (8 neighbours).
//
// The comparisons are made squared and multiplied by the count, on whole numbers as long as they
// are exact and then in IEEE double, one rounding for each operation and none fused: so the answer
// is the same on every machine and device, whatever the order of summation.
class ThresholdFinder {
 public:
  // Ranges: radius 1 to 15; see ThresholdSettings for the units.
  explicit ThresholdFinder(const ThresholdSettings& settings)
      : rule_(settings), radius_(static_cast<std::size_t>(settings.radius)) {}

  // 1 where something was found, else 0; height x width, valid until the next call. `pixels` holds
  // height rows of width elements of `dtype`, `stride` elements apart, `bad` as many bytes (not 0 =
  // bad pixel), laid out in the same way, or is nullptr. Linear in pixels whatever the radius. One
  // thread at a time.
  std::span<const std::uint8_t> find(const std::byte* pixels, DType dtype, const std::uint8_t* bad,
                                     std::size_t height, std::size_t width, std::size_t stride);

 private:
  void quantise(const std::byte* pixels, DType dtype, const std::uint8_t* bad, std::size_t stride);
  void exclude_bright_pixels();
  void mark_lit_pixels();
  void mark_seeds();
  void grow_seeds();

  ThresholdRule rule_;
  std::size_t radius_;
  std::size_t height_ = 0, width_ = 0;
  std::vector<std::int32_t> values_;  // in 1/128 ADU; 0 where not good
  std::vector<std::uint8_t> good_;
  std::vector<std::uint8_t> counts_;  // for the background
  std::vector<std::uint8_t> next_counts_;
  std::vector<std::uint8_t> lit_;
  std::vector<std::uint8_t> bright_;  // passes the conditions on I and T, and is lit
  std::vector<std::uint8_t> seeds_;
  std::vector<std::uint8_t> found_;
};

}  // namespace pnflow
