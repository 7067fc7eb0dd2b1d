#include "nodes/peak_properties.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <type_traits>

namespace pnflow {
namespace {

// Peaks lie far apart in memory that no cache holds, so the pixels of a peak are asked for while
// those before it are measured. A large one is left to the processor's own prefetching.
constexpr std::size_t look_ahead = 2;
constexpr std::int32_t largest_fetch = 64;
constexpr std::size_t cache_line = 64;

// Mean and variance in one pass. Values are taken relative to the first of them, because raw
// pixels stand on a pedestal that is large against their spread. They are collected and then summed
// in several lanes: one sum alone would wait for the latency of every addition.
class Moments {
 public:
  void add(double value) {
    if (waiting_ == block) sum_up();
    values_[waiting_++] = value;
  }
  // Of all values added; there is at least one.
  double mean() const { return pivot_ + offset(); }
  double sigma() const {
    const double mean_square = total(squares_) / static_cast<double>(count_);
    return std::sqrt(std::max(0.0, mean_square - offset() * offset()));
  }
  // Before the first of count(), mean() and sigma().
  void finish() { sum_up(); }
  std::int64_t count() const { return count_; }

 private:
  static constexpr std::size_t block = 512;
  static constexpr std::size_t lanes = 8;
  using Lanes = std::array<double, lanes>;

  void sum_up() {
    if (waiting_ == 0) return;
    if (count_ == 0) pivot_ = values_[0];
    count_ += static_cast<std::int64_t>(waiting_);
    // The pivot fills the last group up: it adds nothing to either sum.
    while (waiting_ % lanes != 0) values_[waiting_++] = pivot_;
    for (std::size_t i = 0; i < waiting_; i += lanes) {
      for (std::size_t k = 0; k < lanes; ++k) {
        const double difference = values_[i + k] - pivot_;
        sums_[k] += difference;
        squares_[k] += difference * difference;
      }
    }
    waiting_ = 0;
  }
  static double total(const Lanes& sums) { return std::accumulate(sums.begin(), sums.end(), 0.0); }
  double offset() const { return total(sums_) / static_cast<double>(count_); }

  std::array<double, block> values_;
  std::size_t waiting_ = 0;
  std::int64_t count_ = 0;
  double pivot_ = 0;
  Lanes sums_{};
  Lanes squares_{};
};

// Calls visit(value, x) for the usable pixels begin..end - 1 of row y; coordinates are the panel's.
template <class T, class Visit>
void for_each_usable(const PanelPixels& panel, std::int32_t y, std::int32_t begin, std::int32_t end,
                     const Visit& visit) {
  const std::size_t start = static_cast<std::size_t>(y) * panel.stride;
  const T* values = reinterpret_cast<const T*>(panel.pixels) + start;
  const std::uint8_t* mask = panel.mask == nullptr ? nullptr : panel.mask + start;
  for (std::int32_t x = begin; x < end; ++x) {
    if (mask != nullptr && mask[x] != 0) continue;
    const auto value = static_cast<double>(values[x]);
    if constexpr (std::is_floating_point_v<T>) {
      if (!std::isfinite(value)) continue;
    }
    visit(value, x);
  }
}

// Calls visit(begin, end) for the parts of begin..end - 1 that no run of the row covers.
template <class Visit>
void for_each_gap(std::span<const PixelRun> row, std::int32_t begin, std::int32_t end,
                  const Visit& visit) {
  auto run = std::ranges::upper_bound(row, begin, {}, &PixelRun::end);
  for (; run != row.end() && run->begin < end; ++run) {
    if (begin < run->begin) visit(begin, run->begin);
    begin = run->end;
  }
  if (begin < end) visit(begin, end);
}

}  // namespace

PeakMeter::PeakMeter(const PanelPixels& panel, const ConnectedComponents& components, int radius)
    : panel_(panel), components_(components), radius_(radius) {
  area_.y0 = static_cast<std::int32_t>(panel.top);
  area_.x0 = static_cast<std::int32_t>(panel.left);
  area_.y1 = static_cast<std::int32_t>(panel.top + panel.height) - 1;
  area_.x1 = static_cast<std::int32_t>(panel.left + panel.width) - 1;
}

PeakProperties PeakMeter::measure(std::size_t component) {
  return dispatch(panel_.dtype, [&]<class T>(T) { return measure_as<T>(component); });
}

template <class T>
PeakProperties PeakMeter::measure_as(std::size_t component) {
  if (component + look_ahead < components_.components().size()) {
    fetch<T>(surroundings_of(components_.components()[component + look_ahead].box));
  }
  Background background = annulus_of<T>(components_.components()[component].box);
  if (background.pixels == 0) background = panel_background<T>();

  PeakProperties peak{.background = background.mean, .sigma = background.sigma};
  std::int64_t usable = 0;
  for (const PixelRun& run : components_.runs_of(component)) {
    if (run.row < area_.y0 || run.row > area_.y1) continue;
    const std::int32_t y = run.row - area_.y0;
    const std::int32_t begin = std::max(run.begin, area_.x0) - area_.x0;
    const std::int32_t end = std::min(run.end, area_.x1 + 1) - area_.x0;
    for_each_usable<T>(panel_, y, begin, end, [&](double value, std::int32_t x) {
      const double above = value - background.mean;
      const double weight = std::max(above, 0.0);
      peak.maximum = usable == 0 ? value : std::max(peak.maximum, value);
      peak.total += above;
      peak.weight += weight;
      peak.weighted_y += weight * y;
      peak.weighted_x += weight * x;
      ++usable;
    });
  }
  if (usable > 0 && background.sigma > 0) {
    peak.snr = peak.total / (background.sigma * std::sqrt(static_cast<double>(usable)));
  }
  return peak;
}

template <class T>
PeakMeter::Background PeakMeter::annulus_of(const PixelBox& box) const {
  return background_of<T>(box, surroundings_of(box));
}

PixelBox PeakMeter::surroundings_of(const PixelBox& box) const {
  return {.y0 = std::max(box.y0 - radius_, area_.y0),
          .x0 = std::max(box.x0 - radius_, area_.x0),
          .y1 = std::min(box.y1 + radius_, area_.y1),
          .x1 = std::min(box.x1 + radius_, area_.x1)};
}

template <class T>
void PeakMeter::fetch(const PixelBox& area) const {
  if (area.x1 < area.x0 || area.x1 - area.x0 > largest_fetch) return;
  if (area.y1 - area.y0 > largest_fetch) return;
  constexpr auto step = static_cast<std::int32_t>(cache_line / sizeof(T));
  const T* values = reinterpret_cast<const T*>(panel_.pixels);
  for (std::int32_t y = area.y0; y <= area.y1; ++y) {
    const T* row = values + static_cast<std::size_t>(y - area_.y0) * panel_.stride;
    for (std::int32_t x = area.x0; x < area.x1; x += step) __builtin_prefetch(row + (x - area_.x0));
    __builtin_prefetch(row + (area.x1 - area_.x0));
  }
}

template <class T>
const PeakMeter::Background& PeakMeter::panel_background() {
  if (!panel_background_) {
    const PixelBox nothing{.y0 = 0, .x0 = 0, .y1 = -1, .x1 = -1};
    panel_background_ = background_of<T>(nothing, area_);
  }
  return *panel_background_;
}

template <class T>
PeakMeter::Background PeakMeter::background_of(const PixelBox& hole, const PixelBox& area) const {
  Moments moments;
  for (std::int32_t y = area.y0; y <= area.y1; ++y) {
    const auto row = components_.runs_in_row(y);
    const auto add = [&](std::int32_t begin, std::int32_t end) {
      for_each_usable<T>(panel_, y - area_.y0, begin - area_.x0, end - area_.x0,
                         [&](double value, std::int32_t) { moments.add(value); });
    };
    if (y < hole.y0 || y > hole.y1) {
      for_each_gap(row, area.x0, area.x1 + 1, add);
    } else {
      for_each_gap(row, area.x0, std::min(hole.x0, area.x1 + 1), add);
      for_each_gap(row, std::max(hole.x1 + 1, area.x0), area.x1 + 1, add);
    }
  }
  moments.finish();
  if (moments.count() == 0) return {};
  return {.pixels = moments.count(), .mean = moments.mean(), .sigma = moments.sigma()};
}

}  // namespace pnflow
