#include "nodes/peak_splitter.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace pnflow {
namespace {

constexpr std::uint32_t not_taken = std::numeric_limits<std::uint32_t>::max();
constexpr double least_sigmas = 3;

}  // namespace

void PeakSplitter::split(std::span<const PixelRun> runs, const PanelPixels& panel,
                         Connectivity connectivity, const PeakProperties& whole, double depth) {
  runs_ = runs;
  read_pixels(panel);
  sort_by_brightness();
  basins_.clear();
  const std::int32_t reach = connectivity == Connectivity::eight ? 1 : 0;
  for (const std::uint32_t pixel : order_) take(pixel, reach, whole, depth);
  collect_parts();
}

void PeakSplitter::read_pixels(const PanelPixels& panel) {
  pixels_.clear();
  run_begin_.clear();
  for (const PixelRun& run : runs_) {
    run_begin_.push_back(static_cast<std::uint32_t>(pixels_.size()));
    for (std::int32_t x = run.begin; x < run.end; ++x) {
      const auto value = panel.usable_value(run.row, x);
      pixels_.push_back({.value = value.value_or(0),
                         .y = run.row,
                         .x = x,
                         .usable = value.has_value(),
                         .part = not_taken});
    }
  }
}

void PeakSplitter::sort_by_brightness() {
  order_.resize(pixels_.size());
  std::iota(order_.begin(), order_.end(), 0U);
  std::ranges::sort(order_, [&](std::uint32_t a, std::uint32_t b) {
    const Pixel& left = pixels_[a];
    const Pixel& right = pixels_[b];
    if (left.usable != right.usable) return left.usable;
    return left.value != right.value ? left.value > right.value : a < b;
  });
  rank_.resize(pixels_.size());
  for (std::uint32_t i = 0; i < order_.size(); ++i) rank_[order_[i]] = i;
}

void PeakSplitter::take(std::uint32_t index, std::int32_t reach, const PeakProperties& whole,
                        double depth) {
  Pixel& pixel = pixels_[index];
  find_neighbours(pixel, reach);
  if (neighbours_.empty()) {
    pixel.part = static_cast<std::uint32_t>(basins_.size());
    basins_.push_back({.maximum = pixel.value, .link = pixel.part});
    return;
  }
  const std::uint32_t first = *std::ranges::min_element(
      neighbours_, {}, [&](std::uint32_t neighbour) { return rank_[neighbour]; });
  std::uint32_t highest = not_taken;
  for (std::uint32_t& neighbour : neighbours_) {
    neighbour = root_of(pixels_[neighbour].part);
    highest = std::min(highest, neighbour);
  }
  pixel.part = root_of(pixels_[first].part);
  for (const std::uint32_t other : neighbours_) {
    if (other == highest) continue;
    const double maximum = basins_[other].maximum;
    const double fall = maximum - pixel.value;
    const double least = std::max(depth * (maximum - whole.background), least_sigmas * whole.sigma);
    if (pixel.usable && fall > 0 && fall >= least) continue;
    basins_[other].link = highest;
    pixel.part = highest;
  }
}

// Those that were taken, in neighbours_.
void PeakSplitter::find_neighbours(const Pixel& pixel, std::int32_t reach) {
  neighbours_.clear();
  for (std::int32_t y = pixel.y - 1; y <= pixel.y + 1; ++y) {
    const std::int32_t width = y == pixel.y ? 1 : reach;
    // The runs of the row that end beyond the first column in question.
    auto run = std::ranges::partition_point(runs_, [&](const PixelRun& r) {
      return r.row < y || (r.row == y && r.end <= pixel.x - width);
    });
    for (; run != runs_.end() && run->row == y && run->begin <= pixel.x + width; ++run) {
      const std::uint32_t begin = run_begin_[static_cast<std::size_t>(run - runs_.begin())];
      const std::int32_t last = std::min(pixel.x + width, run->end - 1);
      for (std::int32_t x = std::max(pixel.x - width, run->begin); x <= last; ++x) {
        const std::uint32_t found = begin + static_cast<std::uint32_t>(x - run->begin);
        // The pixel itself is not taken yet.
        if (pixels_[found].part != not_taken) neighbours_.push_back(found);
      }
    }
  }
}

std::uint32_t PeakSplitter::root_of(std::uint32_t basin) {
  while (basins_[basin].link != basin) {
    std::uint32_t& link = basins_[basin].link;
    link = basins_[link].link;
    basin = link;
  }
  return basin;
}

void PeakSplitter::collect_parts() {
  parts_.clear();
  number_.assign(basins_.size(), not_taken);
  std::vector<PixelRun>& runs = part_runs_;
  runs.clear();
  for (const Pixel& pixel : pixels_) {
    std::uint32_t& number = number_[root_of(pixel.part)];
    if (number == not_taken) {
      number = static_cast<std::uint32_t>(parts_.size());
      parts_.push_back({.box = {pixel.y, pixel.x, pixel.y, pixel.x}});
    }
    if (!runs.empty() && runs.back().component == number && runs.back().row == pixel.y &&
        runs.back().end == pixel.x) {
      ++runs.back().end;
    } else {
      runs.push_back({.row = pixel.y, .begin = pixel.x, .end = pixel.x + 1, .component = number});
    }
  }
  for (const PixelRun& run : runs) parts_[run.component].add(run);
  std::ranges::stable_sort(runs, {}, &PixelRun::component);
  part_begin_.assign(parts_.size() + 1, static_cast<std::uint32_t>(runs.size()));
  for (std::size_t i = runs.size(); i-- > 0;) {
    part_begin_[runs[i].component] = static_cast<std::uint32_t>(i);
  }
}

std::span<const PixelRun> PeakSplitter::runs_of(std::size_t part) const {
  return std::span(part_runs_)
      .subspan(part_begin_[part], part_begin_[part + 1] - part_begin_[part]);
}

void PeakSplitter::trim(std::size_t bytes) {
  if (pixels_.capacity() * (sizeof(Pixel) + 8) > bytes) *this = PeakSplitter();
}

}  // namespace pnflow
