#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <type_traits>

namespace pnflow {

// Whether a raw value is a number. Compiles to a comparison, not to a branch.
template <class T>
constexpr bool finite_pixel(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::abs(value) <= std::numeric_limits<T>::max();
  } else {
    return true;
  }
}

// Mean and population standard deviation of raw pixels that come in pieces of rows. Pixels that
// are masked or not finite add nothing, without a branch: which ones they are cannot be predicted.
// This one is for values of 8 and 16 bits, whose sums are whole numbers and exact, for less than
// 2^31 pixels.
template <class T>
class BackgroundSums {
 public:
  // `mask` may be nullptr, else it is nonzero where a pixel is bad.
  void add(const T* values, const std::uint8_t* mask, std::size_t n) {
    if (mask == nullptr) {
      for (std::size_t i = 0; i < n; ++i) add(values[i]);
      count_ += static_cast<std::int64_t>(n);
      return;
    }
    for (std::size_t i = 0; i < n; ++i) {
      const bool good = mask[i] == 0;
      add(good ? values[i] : T{0});
      count_ += good ? 1 : 0;
    }
  }

  std::int64_t count() const { return count_; }
  // Of at least one pixel.
  double mean() const { return static_cast<double>(sum_) / static_cast<double>(count_); }
  double sigma() const {
    // About the whole number next to the mean: what is left of the sums are exact, small numbers.
    // Squares may wrap around on the way.
    const auto pivot = static_cast<std::int64_t>(std::llrint(mean()));
    const std::int64_t sum = sum_ - count_ * pivot;
    const std::uint64_t squares = squares_ - static_cast<std::uint64_t>(pivot * (sum + sum_));
    const double offset = static_cast<double>(sum) / static_cast<double>(count_);
    const double mean_square = static_cast<double>(squares) / static_cast<double>(count_);
    return std::sqrt(std::max(0.0, mean_square - offset * offset));
  }

 private:
  void add(T value) {
    const std::int64_t v = std::int64_t{1} * value;
    sum_ += v;
    squares_ += static_cast<std::uint64_t>(v * v);
  }

  std::int64_t count_ = 0;
  std::int64_t sum_ = 0;
  std::uint64_t squares_ = 0;
};

// Larger values are summed in double precision, relative to the first of them, because raw pixels
// stand on a pedestal that is large against their spread; in lanes, because one sum alone would
// wait for the latency of every addition.
template <class T>
requires(sizeof(T) > 2) class BackgroundSums<T> {
 public:
  void add(const T* values, const std::uint8_t* mask, std::size_t n) {
    std::size_t i = 0;
    if (count() == 0) {
      while (i < n && !usable(values, mask, i)) ++i;
      if (i == n) return;
      pivot_ = static_cast<double>(values[i]);
    }
    for (; i + lanes <= n; i += lanes) {
      for (std::size_t k = 0; k < lanes; ++k) {
        add(k, static_cast<double>(values[i + k]), usable(values, mask, i + k));
      }
    }
    for (std::size_t k = 0; i < n; ++i, ++k) {
      add(k, static_cast<double>(values[i]), usable(values, mask, i));
    }
  }

  std::int64_t count() const { return total(counts_); }
  double mean() const { return pivot_ + offset(); }
  double sigma() const {
    const double mean_square = total(squares_) / static_cast<double>(count());
    return std::sqrt(std::max(0.0, mean_square - offset() * offset()));
  }

 private:
  static constexpr std::size_t lanes = 4;
  template <class N>
  using Lanes = std::array<N, lanes>;

  static bool usable(const T* values, const std::uint8_t* mask, std::size_t i) {
    return finite_pixel(values[i]) && (mask == nullptr || mask[i] == 0);
  }
  void add(std::size_t lane, double value, bool good) {
    const double difference = good ? value - pivot_ : 0;
    sums_[lane] += difference;
    squares_[lane] += difference * difference;
    counts_[lane] += good ? 1 : 0;
  }
  template <class N>
  static N total(const Lanes<N>& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), N{});
  }
  double offset() const { return total(sums_) / static_cast<double>(count()); }

  double pivot_ = 0;
  Lanes<double> sums_{};
  Lanes<double> squares_{};
  Lanes<std::int64_t> counts_{};
};

}  // namespace pnflow
