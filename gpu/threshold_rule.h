#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "gpu/engine_settings.h"
#include "gpu/host_device.h"
#include "gpu/window_sums.h"

namespace pnflow {

// The decisions of the peak finder without a network, one pixel at a time: gpu/threshold.h has the
// definition. Used by the finder on the CPU and by the kernels, which must both be compiled without
// fused multiply-add; then their answers are the same.

inline constexpr double threshold_units_per_adu = 128;
inline constexpr double threshold_largest_adu = 524288;  // 2^19
inline constexpr int threshold_exclusion_passes = 2;

// What a 3x3 neighbourhood, clipped at the image's edges, holds of good pixels.
struct Neighbourhood {
  std::int64_t good = 0;
  std::int64_t sum = 0;
  std::int64_t largest = 0;
};

class ThresholdRule {
 public:
  explicit ThresholdRule(const ThresholdSettings& settings)
      : clip_(squared(settings.clip)),
        min_sigma_(settings.min_sigma * threshold_units_per_adu),
        grow_(squared(settings.grow_snr)),
        grow_level_(settings.grow_adu * threshold_units_per_adu),
        snr_(squared(settings.snr)),
        min_intensity_(settings.min_intensity * threshold_units_per_adu),
        max_share_(settings.max_share),
        window_((2 * std::int64_t{settings.radius} + 1) * (2 * std::int64_t{settings.radius} + 1)),
        min_pixels_(settings.min_pixels) {}

  template <class T>
  PNFLOW_HOST_DEVICE static bool finite(T value) {
    if constexpr (std::is_floating_point_v<T>) return std::isfinite(value);
    return true;
  }

  // A finite value in 1/128 ADU, rounded half to even: adding 1.5 * 2^52 leaves the rounded value
  // in the low bits of the sum, whatever the dtype.
  template <class T>
  PNFLOW_HOST_DEVICE static std::int32_t quantised(T value) {
    const auto exact = static_cast<double>(value);
    const double low = exact < -threshold_largest_adu ? -threshold_largest_adu : exact;
    const double clamped = low > threshold_largest_adu ? threshold_largest_adu : low;
    constexpr double shift = 6755399441055744.0;
    const double sum = clamped * threshold_units_per_adu + shift;
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(sum)));
  }

  // Whether the pixel is too bright to count for the background.
  PNFLOW_HOST_DEVICE bool stands_out(const WindowSums::Sums& sums, std::int32_t value) const {
    return exceeded(sums, static_cast<double>(above(sums, value)), clip_);
  }

  // Whether a good pixel is lit.
  PNFLOW_HOST_DEVICE bool lit(const WindowSums::Sums& sums, std::int32_t value) const {
    const auto height = static_cast<double>(above(sums, value));
    return height > grow_level_ * static_cast<double>(sums.count) && 8 * sums.count >= window_ &&
           exceeded(sums, height, grow_);
  }

  // Whether a lit pixel with this neighbourhood passes the conditions on I and T.
  PNFLOW_HOST_DEVICE bool bright(const WindowSums::Sums& sums, const Neighbourhood& near) const {
    const auto intensity = static_cast<double>(sums.count * near.sum - near.good * sums.sum);
    const auto largest = static_cast<double>(above(sums, near.largest));
    return intensity > min_intensity_ * static_cast<double>(sums.count) &&
           exceeded(sums, intensity, snr_ * static_cast<double>(near.good)) &&
           largest < max_share_ * intensity;
  }

  // Whether a bright pixel with so many lit ones in its 3x3 is a seed.
  PNFLOW_HOST_DEVICE bool seed(int lit_pixels) const { return lit_pixels >= min_pixels_; }

 private:
  PNFLOW_HOST_DEVICE static double squared(double value) { return value * value; }

  // count * (value - mean), exact: multiplied by the count to stay free of divisions.
  PNFLOW_HOST_DEVICE static std::int64_t above(const WindowSums::Sums& sums, std::int64_t value) {
    return sums.count * value - sums.sum;
  }

  // Whether `height`, in units of the count, exceeds sqrt(`factor` * variance). Nearly all pixels
  // fail against the least variance already, which is cheaper; the answer is the same.
  PNFLOW_HOST_DEVICE bool exceeded(const WindowSums::Sums& sums, double height,
                                   double factor) const {
    const double least = squared(static_cast<double>(sums.count) * min_sigma_);
    if (!(height > 0) || !(squared(height) > factor * least)) return false;
    // count^2 * variance, and the least that it can be.
    const double spread = static_cast<double>(sums.count) *
                          static_cast<double>(static_cast<std::int64_t>(sums.squares));
    const double variance = spread - squared(static_cast<double>(sums.sum));
    return squared(height) > factor * (variance < least ? least : variance);
  }

  double clip_;
  double min_sigma_;
  double grow_;
  double grow_level_;
  double snr_;
  double min_intensity_;
  double max_share_;
  std::int64_t window_;
  int min_pixels_;
};

}  // namespace pnflow
