#include "cli/event_comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace pnflow {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

// The stream has one decimal of a reflection's position, so that one at the last edge of its panel
// may seem to be outside.
constexpr double rounding = 0.05;

double ratio(double part, std::size_t whole) {
  return whole == 0 ? none : part / static_cast<double>(whole);
}

// A peak in CrystFEL's coordinates, and what is the nearest to it.
struct Spot {
  double fs = 0, ss = 0;
  double distance2 = std::numeric_limits<double>::infinity();
  double dx = 0, dy = 0;
};

std::vector<Spot> spots_of(std::span<const StoredPeak> peaks) {
  std::vector<Spot> spots;
  for (const StoredPeak& peak : peaks) {
    if (!std::isfinite(peak.x) || !std::isfinite(peak.y)) continue;
    spots.push_back(
        {.fs = peak.x + CrystfelStream::pixel_centre, .ss = peak.y + CrystfelStream::pixel_centre});
  }
  std::ranges::sort(spots, {}, &Spot::ss);
  return spots;
}

bool is_on(const StreamReflection& reflection, const CrystfelRange* range, std::size_t height,
           std::size_t width) {
  if (!std::isfinite(reflection.fs) || !std::isfinite(reflection.ss)) return false;
  if (range != nullptr && !range->contains(reflection.fs, reflection.ss, rounding)) return false;
  if (height == 0 || width == 0) return true;
  const CrystfelRange image{.max_fs = static_cast<double>(width) - 1,
                            .max_ss = static_cast<double>(height) - 1};
  return image.contains(reflection.fs, reflection.ss, rounding);
}

// True when a spot is near. `spots` are sorted by ss.
bool find_near(std::vector<Spot>& spots, const StreamReflection& reflection,
               const CrystfelRange* range, double radius) {
  bool found = false;
  auto spot = std::ranges::lower_bound(spots, reflection.ss - radius, {}, &Spot::ss);
  for (; spot != spots.end() && spot->ss <= reflection.ss + radius; ++spot) {
    const double dx = spot->fs - reflection.fs;
    const double dy = spot->ss - reflection.ss;
    const double distance2 = dx * dx + dy * dy;
    if (distance2 > radius * radius) continue;
    if (range != nullptr && !range->contains(spot->fs, spot->ss)) continue;
    found = true;
    if (distance2 < spot->distance2) {
      *spot = {.fs = spot->fs, .ss = spot->ss, .distance2 = distance2, .dx = dx, .dy = dy};
    }
  }
  return found;
}

}  // namespace

void SpotOffsets::add(double dx, double dy) {
  ++count;
  sum_x += dx;
  sum_y += dy;
  squares_x += dx * dx;
  squares_y += dy * dy;
}

void SpotOffsets::add(const SpotOffsets& other) {
  count += other.count;
  sum_x += other.sum_x;
  sum_y += other.sum_y;
  squares_x += other.squares_x;
  squares_y += other.squares_y;
}

double SpotOffsets::mean_x() const { return ratio(sum_x, count); }
double SpotOffsets::mean_y() const { return ratio(sum_y, count); }
double SpotOffsets::rms_x() const { return std::sqrt(ratio(squares_x, count)); }
double SpotOffsets::rms_y() const { return std::sqrt(ratio(squares_y, count)); }

void SpotCounts::add(const SpotCounts& other) {
  events += other.events;
  crystals += other.crystals;
  peaks += other.peaks;
  explained += other.explained;
  reflections += other.reflections;
  found += other.found;
  weak += other.weak;
  off_panel += other.off_panel;
  stream_peaks += other.stream_peaks;
  offsets.add(other.offsets);
}

double SpotCounts::recall() const { return ratio(static_cast<double>(found), reflections); }
double SpotCounts::precision() const { return ratio(static_cast<double>(explained), peaks); }

SpotCounts compare_event(std::span<const StoredPeak> peaks, const StreamChunk& chunk,
                         const CrystfelPanels& panels, std::size_t height, std::size_t width,
                         const ComparisonOptions& options) {
  SpotCounts counts{.events = 1,
                    .crystals = chunk.crystals.size(),
                    .peaks = peaks.size(),
                    .stream_peaks = chunk.peaks.size()};
  std::vector<Spot> spots = spots_of(peaks);
  for (const StreamCrystal& crystal : chunk.crystals) {
    for (const StreamReflection& reflection : crystal.reflections) {
      const CrystfelRange* range = panels.find(reflection.panel);
      if (!is_on(reflection, range, height, width)) {
        ++counts.off_panel;
        continue;
      }
      const bool found = find_near(spots, reflection, range, options.radius);
      // Written so that what is not a number is weak, unless all are asked for.
      const bool strong =
          options.min_snr <= 0 || reflection.intensity >= options.min_snr * reflection.sigma;
      counts.reflections += strong ? 1 : 0;
      counts.weak += strong ? 0 : 1;
      counts.found += strong && found ? 1 : 0;
    }
  }
  for (const Spot& spot : spots) {
    if (!std::isfinite(spot.distance2)) continue;
    ++counts.explained;
    counts.offsets.add(spot.dx, spot.dy);
  }
  return counts;
}

}  // namespace pnflow
