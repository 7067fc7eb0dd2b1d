#include "gpu/threshold.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>

#include "gpu/window_sums.h"

namespace pnflow {

namespace {

constexpr double units_per_adu = 128;
constexpr double largest_adu = 524288;  // 2^19
constexpr int exclusion_passes = 2;

template <class T>
bool is_finite(T value) {
  if constexpr (std::is_floating_point_v<T>) return std::isfinite(value);
  return true;
}

// In 1/128 ADU, rounded half to even: adding 1.5 * 2^52 leaves the rounded value in the low bits of
// the sum, whatever the dtype.
template <class T>
std::int32_t quantised(T value) {
  const double clamped = std::clamp(static_cast<double>(value), -largest_adu, largest_adu);
  constexpr double shift = 6755399441055744.0;
  const double sum = clamped * units_per_adu + shift;
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(sum)));
}

double squared(double value) { return value * value; }

// The background at a pixel, multiplied by the count of its window to stay free of divisions.
class Background {
 public:
  Background(const WindowSums::Sums& sums, double min_sigma)
      : sums_(sums),
        least_(squared(static_cast<double>(sums.count) * (min_sigma * units_per_adu))) {}

  std::int64_t count() const { return sums_.count; }
  // count * (value - mean), exact.
  std::int64_t above(std::int64_t value) const { return sums_.count * value - sums_.sum; }
  // The same for the sum of `values` values.
  std::int64_t above(std::int64_t sum, std::int64_t values) const {
    return sums_.count * sum - values * sums_.sum;
  }
  // count^2 * variance, and the least that it can be.
  double variance() const {
    const double spread = static_cast<double>(sums_.count) *
                          static_cast<double>(static_cast<std::int64_t>(sums_.squares));
    return std::max(spread - squared(static_cast<double>(sums_.sum)), least_);
  }
  // Whether `above`, in units of count, exceeds sqrt(`factor` * variance). Nearly all pixels fail
  // against the least variance already, which is cheaper; the answer is the same.
  bool exceeded_by(double above, double factor) const {
    return above > 0 && squared(above) > factor * least_ && squared(above) > factor * variance();
  }

 private:
  WindowSums::Sums sums_;
  double least_;
};

// What a 3x3 neighbourhood, clipped at the image's edges, holds.
struct Neighbourhood {
  std::int64_t good = 0;
  std::int64_t sum = 0;
  std::int64_t largest = 0;
};

template <class Visit>
void visit_neighbours(std::size_t y, std::size_t x, std::size_t height, std::size_t width,
                      Visit&& visit) {
  const std::size_t first = x > 0 ? x - 1 : 0;
  const std::size_t last = std::min(x + 1, width - 1);
  for (std::size_t row = y > 0 ? y - 1 : 0; row <= std::min(y + 1, height - 1); ++row) {
    for (std::size_t i = row * width + first; i <= row * width + last; ++i) visit(i);
  }
}

}  // namespace

std::span<const std::uint8_t> ThresholdFinder::find(const std::byte* pixels, DType dtype,
                                                    const std::uint8_t* bad, std::size_t height,
                                                    std::size_t width) {
  height_ = height;
  width_ = width;
  quantise(pixels, dtype, bad);
  counts_ = good_;
  for (int pass = 0; pass < exclusion_passes; ++pass) exclude_bright_pixels();
  mark_lit_pixels();
  mark_seeds();
  grow_seeds();
  return found_;
}

void ThresholdFinder::quantise(const std::byte* pixels, DType dtype, const std::uint8_t* bad) {
  const std::size_t count = height_ * width_;
  values_.resize(count);
  good_.resize(count);
  dispatch(dtype, [&](auto element) {
    using T = decltype(element);
    const T* raw = reinterpret_cast<const T*>(pixels);
    for (std::size_t i = 0; i < count; ++i) {
      const bool good = (!bad || bad[i] == 0) && is_finite(raw[i]);
      good_[i] = good ? 1 : 0;
      values_[i] = good ? quantised(raw[i]) : 0;
    }
  });
}

void ThresholdFinder::exclude_bright_pixels() {
  const double clip = squared(settings_.clip);
  const auto radius = static_cast<std::size_t>(settings_.radius);
  next_counts_.resize(values_.size());
  WindowSums sums(values_.data(), counts_.data(), height_, width_, radius);
  for (std::size_t y = 0; y < height_; ++y) {
    sums.next_row();
    for (std::size_t x = 0; x < width_; ++x) {
      const std::size_t i = y * width_ + x;
      const Background background(sums.at(x), settings_.min_sigma);
      const auto above = static_cast<double>(background.above(values_[i]));
      next_counts_[i] = background.exceeded_by(above, clip) ? 0 : good_[i];
    }
  }
  counts_.swap(next_counts_);
}

void ThresholdFinder::mark_lit_pixels() {
  const double grow = squared(settings_.grow_snr);
  const double grow_level = settings_.grow_adu * units_per_adu;
  const double snr = squared(settings_.snr);
  const double min_intensity = settings_.min_intensity * units_per_adu;
  const auto radius = static_cast<std::size_t>(settings_.radius);
  const auto window = static_cast<std::int64_t>((2 * radius + 1) * (2 * radius + 1));
  lit_.assign(values_.size(), 0);
  bright_.assign(values_.size(), 0);
  WindowSums sums(values_.data(), counts_.data(), height_, width_, radius);
  for (std::size_t y = 0; y < height_; ++y) {
    sums.next_row();
    for (std::size_t x = 0; x < width_; ++x) {
      const std::size_t i = y * width_ + x;
      const Background background(sums.at(x), settings_.min_sigma);
      const auto n = static_cast<double>(background.count());
      const auto above = static_cast<double>(background.above(values_[i]));
      if (above <= grow_level * n || good_[i] == 0 || 8 * background.count() < window ||
          !background.exceeded_by(above, grow)) {
        continue;
      }
      lit_[i] = 1;
      Neighbourhood near{.good = 0, .sum = 0, .largest = values_[i]};
      visit_neighbours(y, x, height_, width_, [&](std::size_t at) {
        near.good += good_[at];
        near.sum += values_[at];
        if (good_[at] != 0) near.largest = std::max<std::int64_t>(near.largest, values_[at]);
      });
      const auto intensity = static_cast<double>(background.above(near.sum, near.good));
      const auto largest = static_cast<double>(background.above(near.largest));
      bright_[i] =
          intensity > min_intensity * n &&
                  background.exceeded_by(intensity, snr * static_cast<double>(near.good)) &&
                  largest < settings_.max_share * intensity
              ? 1
              : 0;
    }
  }
}

void ThresholdFinder::mark_seeds() {
  seeds_.assign(values_.size(), 0);
  for (std::size_t y = 0; y < height_; ++y) {
    for (std::size_t x = 0; x < width_; ++x) {
      const std::size_t i = y * width_ + x;
      if (bright_[i] == 0) continue;
      int lit = 0;
      visit_neighbours(y, x, height_, width_, [&](std::size_t at) { lit += lit_[at]; });
      if (lit >= settings_.min_pixels) seeds_[i] = 1;
    }
  }
}

void ThresholdFinder::grow_seeds() {
  found_ = seeds_;
  for (std::size_t y = 0; y < height_; ++y) {
    for (std::size_t x = 0; x < width_; ++x) {
      if (seeds_[y * width_ + x] == 0) continue;
      visit_neighbours(y, x, height_, width_, [&](std::size_t at) { found_[at] |= lit_[at]; });
    }
  }
}

}  // namespace pnflow
