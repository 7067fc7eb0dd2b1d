#include "gpu/window_sums.h"

#include <algorithm>

namespace pnflow {

WindowSums::WindowSums(const std::int32_t* values, const std::uint8_t* counts, std::size_t height,
                       std::size_t width, std::size_t radius)
    : values_(values),
      counts_(counts),
      height_(height),
      width_(width),
      radius_(radius),
      column_count_(width),
      column_sum_(width),
      column_squares_(width),
      prefix_(width + 1) {
  for (std::size_t row = 0; row < std::min(radius, height); ++row) add_row(row);
}

void WindowSums::next_row() {
  if (row_ + radius_ < height_) add_row(row_ + radius_);
  if (row_ > radius_) remove_row(row_ - radius_ - 1);
  ++row_;
  Prefix running;
  for (std::size_t x = 0; x < width_; ++x) {
    running.count += column_count_[x];
    running.sum += column_sum_[x];
    running.squares += column_squares_[x];
    prefix_[x + 1] = running;
  }
}

void WindowSums::add_row(std::size_t row) {
  const std::int32_t* values = values_ + row * width_;
  const std::uint8_t* counts = counts_ + row * width_;
  for (std::size_t x = 0; x < width_; ++x) {
    const std::int64_t value = counts[x] != 0 ? values[x] : 0;
    column_count_[x] += counts[x];
    column_sum_[x] += value;
    column_squares_[x] += static_cast<std::uint64_t>(value * value);
  }
}

void WindowSums::remove_row(std::size_t row) {
  const std::int32_t* values = values_ + row * width_;
  const std::uint8_t* counts = counts_ + row * width_;
  for (std::size_t x = 0; x < width_; ++x) {
    const std::int64_t value = counts[x] != 0 ? values[x] : 0;
    column_count_[x] -= counts[x];
    column_sum_[x] -= value;
    column_squares_[x] -= static_cast<std::uint64_t>(value * value);
  }
}

}  // namespace pnflow
