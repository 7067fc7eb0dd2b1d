#include "nodes/peak_properties.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "nodes/background_sums.h"

namespace pnflow {
namespace {

// Peaks lie far apart in memory that no cache holds, so the pixels of a peak are asked for while
// those before it are measured. A large one is left to the processor's own prefetching.
constexpr std::size_t look_ahead = 2;
constexpr std::int32_t largest_fetch = 64;
constexpr std::size_t cache_line = 64;

// Calls visit(value, x) for the usable pixels begin..end - 1 of row y; coordinates are the panel's.
template <class T, class Visit>
void for_each_usable(const PanelPixels& panel, std::int32_t y, std::int32_t begin, std::int32_t end,
                     const Visit& visit) {
  const std::size_t start = static_cast<std::size_t>(y) * panel.stride;
  const T* values = reinterpret_cast<const T*>(panel.pixels) + start;
  const std::uint8_t* mask = panel.mask == nullptr ? nullptr : panel.mask + start;
  for (std::int32_t x = begin; x < end; ++x) {
    if (mask != nullptr && mask[x] != 0) continue;
    if (finite_pixel(values[x])) visit(static_cast<double>(values[x]), x);
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

std::optional<double> PanelPixels::usable_value(std::int32_t y, std::int32_t x) const {
  // In coordinates of the panel; what lies above it or to its left becomes a large number.
  const std::size_t row = static_cast<std::size_t>(y) - top;
  const std::size_t column = static_cast<std::size_t>(x) - left;
  if (row >= height || column >= width) return {};
  const std::size_t at = row * stride + column;
  if (mask != nullptr && mask[at] != 0) return {};
  return dispatch(dtype, [&]<class T>(T) -> std::optional<double> {
    const T value = reinterpret_cast<const T*>(pixels)[at];
    if (!finite_pixel(value)) return {};
    return static_cast<double>(value);
  });
}

PeakProperties PeakMeter::measure(std::size_t component) {
  const auto all = components_.components();
  if (component + look_ahead < all.size()) {
    const PixelBox area = surroundings_of(all[component + look_ahead].box);
    dispatch(panel_.dtype, [&]<class T>(T) { fetch<T>(area); });
  }
  return measure(all[component].box, components_.runs_of(component));
}

PeakProperties PeakMeter::measure(const PixelBox& box, std::span<const PixelRun> runs) {
  return dispatch(panel_.dtype, [&]<class T>(T) { return measure_as<T>(box, runs); });
}

template <class T>
PeakProperties PeakMeter::measure_as(const PixelBox& box, std::span<const PixelRun> runs) {
  Background background = annulus_of<T>(box);
  if (background.pixels == 0) background = panel_background<T>();

  PeakProperties peak{.background = background.mean, .sigma = background.sigma};
  std::int64_t usable = 0;
  for (const PixelRun& run : runs) {
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
  BackgroundSums<T> sums;
  for (std::int32_t y = area.y0; y <= area.y1; ++y) {
    const std::size_t row_start = static_cast<std::size_t>(y - area_.y0) * panel_.stride;
    const T* values = reinterpret_cast<const T*>(panel_.pixels) + row_start;
    const std::uint8_t* mask = panel_.mask == nullptr ? nullptr : panel_.mask + row_start;
    const auto row = components_.runs_in_row(y);
    const auto add = [&](std::int32_t begin, std::int32_t end) {
      const auto first = static_cast<std::size_t>(begin - area_.x0);
      sums.add(values + first, mask == nullptr ? nullptr : mask + first,
               static_cast<std::size_t>(end - begin));
    };
    if (y < hole.y0 || y > hole.y1) {
      for_each_gap(row, area.x0, area.x1 + 1, add);
    } else {
      for_each_gap(row, area.x0, std::min(hole.x0, area.x1 + 1), add);
      for_each_gap(row, std::max(hole.x1 + 1, area.x0), area.x1 + 1, add);
    }
  }
  if (sums.count() == 0) return {};
  return {.pixels = sums.count(), .mean = sums.mean(), .sigma = sums.sigma()};
}

}  // namespace pnflow
