#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pnflow {

// Sums over the square window of (2 radius + 1)^2 pixels about each pixel of an image, clipped at
// its edges, for one row after the other: linear in pixels, whatever the radius. Sums are whole
// numbers, so they do not depend on the order in which they are formed.
class WindowSums {
 public:
  // One pixel's window: how many pixels of it count, their sum and the sum of their squares.
  struct Sums {
    std::int64_t count;
    std::int64_t sum;
    std::uint64_t squares;
  };

  // `values` and `counts` (0 or 1: whether the pixel counts) are height x width and stay as they
  // are while rows are asked for. |value| <= 2^26 and radius <= 15 keep all sums below 2^62.
  WindowSums(const std::int32_t* values, const std::uint8_t* counts, std::size_t height,
             std::size_t width, std::size_t radius);

  // Moves to the next row; the first call moves to row 0.
  void next_row();
  Sums at(std::size_t x) const {
    const Prefix& low = prefix_[x > radius_ ? x - radius_ : 0];
    const Prefix& high = prefix_[x + radius_ + 1 < width_ ? x + radius_ + 1 : width_];
    return {high.count - low.count, high.sum - low.sum, high.squares - low.squares};
  }

 private:
  struct Prefix {
    std::int64_t count = 0;
    std::int64_t sum = 0;
    std::uint64_t squares = 0;  // of a whole row it may wrap around; differences are right
  };

  void add_row(std::size_t row);
  void remove_row(std::size_t row);

  const std::int32_t* values_;
  const std::uint8_t* counts_;
  std::size_t height_, width_, radius_;
  std::size_t row_ = 0;  // the row that next_row() moves to
  std::vector<std::int32_t> column_count_;
  std::vector<std::int64_t> column_sum_;
  std::vector<std::uint64_t> column_squares_;
  std::vector<Prefix> prefix_;
};

}  // namespace pnflow
