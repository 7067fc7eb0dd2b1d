#include "gpu/threshold.h"

#include <algorithm>

#include "gpu/window_sums.h"

namespace pnflow {

namespace {

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
                                                    std::size_t width, std::size_t stride) {
  height_ = height;
  width_ = width;
  quantise(pixels, dtype, bad, stride);
  counts_ = good_;
  for (int pass = 0; pass < threshold_exclusion_passes; ++pass) exclude_bright_pixels();
  mark_lit_pixels();
  mark_seeds();
  grow_seeds();
  return found_;
}

void ThresholdFinder::quantise(const std::byte* pixels, DType dtype, const std::uint8_t* bad,
                               std::size_t stride) {
  values_.resize(height_ * width_);
  good_.resize(height_ * width_);
  dispatch(dtype, [&](auto element) {
    using T = decltype(element);
    const T* raw = reinterpret_cast<const T*>(pixels);
    for (std::size_t y = 0; y < height_; ++y) {
      for (std::size_t x = 0; x < width_; ++x) {
        const std::size_t from = y * stride + x;
        const bool good = (!bad || bad[from] == 0) && ThresholdRule::finite(raw[from]);
        good_[y * width_ + x] = good ? 1 : 0;
        values_[y * width_ + x] = good ? ThresholdRule::quantised(raw[from]) : 0;
      }
    }
  });
}

void ThresholdFinder::exclude_bright_pixels() {
  next_counts_.resize(values_.size());
  WindowSums sums(values_.data(), counts_.data(), height_, width_, radius_);
  for (std::size_t y = 0; y < height_; ++y) {
    sums.next_row();
    for (std::size_t x = 0; x < width_; ++x) {
      const std::size_t i = y * width_ + x;
      next_counts_[i] = rule_.stands_out(sums.at(x), values_[i]) ? 0 : good_[i];
    }
  }
  counts_.swap(next_counts_);
}

void ThresholdFinder::mark_lit_pixels() {
  lit_.assign(values_.size(), 0);
  bright_.assign(values_.size(), 0);
  WindowSums sums(values_.data(), counts_.data(), height_, width_, radius_);
  for (std::size_t y = 0; y < height_; ++y) {
    sums.next_row();
    for (std::size_t x = 0; x < width_; ++x) {
      const std::size_t i = y * width_ + x;
      if (good_[i] == 0 || !rule_.lit(sums.at(x), values_[i])) continue;
      lit_[i] = 1;
      Neighbourhood near{.good = 0, .sum = 0, .largest = values_[i]};
      visit_neighbours(y, x, height_, width_, [&](std::size_t at) {
        near.good += good_[at];
        near.sum += values_[at];
        if (good_[at] != 0) near.largest = std::max<std::int64_t>(near.largest, values_[at]);
      });
      bright_[i] = rule_.bright(sums.at(x), near) ? 1 : 0;
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
      if (rule_.seed(lit)) seeds_[i] = 1;
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
