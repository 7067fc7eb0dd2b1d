#include "nodes/find_peaks.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nodes/peak_properties.h"
#include "nodes/peak_splitter.h"
#include "nodes/segmap_view.h"

namespace pnflow {
namespace {

// What a worker keeps of the memory that one map took. Maps with peaks take far less; a map of
// noise must not hold its share for ever.
constexpr std::size_t scratch_kept = std::size_t{8} << 20;

// The component's peak, as far as the map tells it, in coordinates of the image.
Peak peak_of(const Component& component, const PanelPixels& image) {
  const auto top = static_cast<std::int32_t>(image.top);
  const auto left = static_cast<std::int32_t>(image.left);
  const auto last_row = static_cast<std::int32_t>(image.height) - 1;
  const auto last_column = static_cast<std::int32_t>(image.width) - 1;
  Peak peak;
  peak.y = component.y() - top;
  peak.x = component.x() - left;
  peak.npix = static_cast<std::int32_t>(component.npix);
  peak.box = {.y0 = std::max(component.box.y0 - top, 0),
              .x0 = std::max(component.box.x0 - left, 0),
              .y1 = std::min(component.box.y1 - top, last_row),
              .x1 = std::min(component.box.x1 - left, last_column)};
  return peak;
}

bool in_image(const Peak& peak, const PanelPixels& image) {
  const auto inside = [](double position, std::size_t length) {
    return position >= -0.5 && position < static_cast<double>(length) - 0.5;
  };
  return inside(peak.y, image.height) && inside(peak.x, image.width);
}

// From coordinates of the part of the image that the model saw to those of the image.
void shift(Peak& peak, const MapGeometry& window) {
  const auto top = static_cast<std::int32_t>(window.crop_top);
  const auto left = static_cast<std::int32_t>(window.crop_left);
  peak.y += top;
  peak.x += left;
  peak.box = {.y0 = peak.box.y0 + top,
              .x0 = peak.box.x0 + left,
              .y1 = peak.box.y1 + top,
              .x1 = peak.box.x1 + left};
}

void set_properties(Peak& peak, const PeakProperties& properties) {
  peak.total = properties.total;
  peak.maximum = properties.maximum;
  peak.background = properties.background;
  peak.sigma = properties.sigma;
  peak.snr = properties.snr;
}

// Leaves the position as it is where the weights add up to nothing.
void use_weighted_position(Peak& peak, const PeakProperties& properties) {
  const double y = properties.weighted_y / properties.weight;
  const double x = properties.weighted_x / properties.weight;
  if (!std::isfinite(y) || !std::isfinite(x)) return;
  peak.y = y;
  peak.x = x;
}

}  // namespace

void FindPeaks::describe(Spec<Params>& spec) {
  spec.summary("Finds the connected components of segmentation maps and measures them as peaks.");
  spec.reads("segmap")
      .dtypes({DType::u8, DType::u64})
      .rank(3, 4)
      .help("segmentation map: a byte a pixel, nonzero = peak, or a bit a pixel in 64-bit words");
  spec.reads("image").rank(3, 4).help("raw pixels, for intensities and the images' size");
  spec.reads("mask").dtypes({DType::u8}).rank(2, 3).optional().help("bad pixels, nonzero = bad");
  spec.adds("peaks").help("table: panel, y, x, npix, total, maximum, background, sigma, snr, bbox");

  spec.param("connectivity", &Params::connectivity)
      .choice("8", Connectivity::eight)
      .choice("4", Connectivity::four)
      .help("neighbours that join pixels to a peak: 8 with the diagonal ones");
  spec.param("position", &Params::position)
      .choice("center_of_mass", PeakPosition::center_of_mass)
      .choice("intensity", PeakPosition::intensity)
      .help("mean of the peak's pixel indices, or weighted by raw intensity above background");
  spec.param("min_num_peak", &Params::min_num_peak)
      .at_least(0)
      .help("an event with fewer peaks is vetoed");
  spec.param("max_num_peak", &Params::max_num_peak)
      .at_least(1)
      .help("peaks kept of an event at most, the strongest by total intensity");
  spec.param("background_radius", &Params::background_radius)
      .range(1, 100)
      .unit("pixels")
      .help("width of the ring around a peak's bounding box that gives background and sigma");
  spec.param("min_pixels", &Params::min_pixels)
      .at_least(1)
      .unit("pixels")
      .help("smaller peaks are dropped and counted");
  spec.param("max_pixels", &Params::max_pixels)
      .at_least(1)
      .unit("pixels")
      .help("larger peaks are dropped and counted");
  spec.param("min_snr", &Params::min_snr).help("peaks with a lower SNR are dropped and counted");
  spec.param("min_intensity", &Params::min_intensity)
      .help("peaks with a lower total above their background are dropped and counted");
  spec.param("split", &Params::split).help("a component with several maxima becomes as many peaks");
  spec.param("split_depth", &Params::split_depth)
      .range(0, 1)
      .help(
          "between two maxima the light must fall by this part of what the lower one has above the "
          "background, and by 3 sigma");
  describe_ring(spec);
  spec.check("max_pixels", [](const Params& p) -> std::optional<std::string> {
    if (p.max_pixels && *p.max_pixels < p.min_pixels) {
      return "'max_pixels' must not be less than 'min_pixels'";
    }
    return {};
  });
}

void FindPeaks::open(OpenContext&) {
  if (!params_.has_ring() || !params_.geometry) return;
  ring_ = std::make_unique<const ResolutionRing>(*params_.geometry, params_.min_resolution,
                                                 params_.max_resolution);
}

Batch FindPeaks::process(const Batch& batch, Context& context) const {
  const SegmapView view(batch);
  PeakTable table;
  StrongestPeaks strongest(static_cast<std::size_t>(params_.max_num_peak));
  for (std::size_t event = 0; event < batch.events(); ++event) {
    std::vector<Peak> peaks;
    if (context.alive(event) && !context.aborting()) {
      Counts counts;
      std::optional<RingOfEvent> ring;
      if (ring_) ring.emplace(*ring_, batch, event);
      for (std::size_t panel = 0; panel < view.panels(); ++panel) {
        find_in_panel(view, event, panel, ring ? &*ring : nullptr, strongest, counts);
      }
      if (ring) {
        counts.outside_ring = ring->dropped();
        ring->report(context);
      }
      peaks = strongest.take();
      counts.report(context, peaks.size());
      if (counts.kept() < static_cast<std::uint64_t>(params_.min_num_peak)) {
        context.veto(event, "few peaks");
        peaks.clear();
      }
    }
    table.add_event(peaks);
  }
  Batch out = batch;
  out.set("peaks", table.build(context.pool()));
  return out;
}

void FindPeaks::find_in_panel(const SegmapView& view, std::size_t event, std::size_t panel,
                              RingOfEvent* ring, StrongestPeaks& peaks, Counts& counts) const {
  thread_local ConnectedComponents components;
  thread_local PeakSplitter splitter;
  view.label(event, panel, params_.connectivity, components);
  const PanelPixels image = view.pixels(event, panel);
  PeakMeter meter(image, components, params_.background_radius);

  const auto take = [&](const Component& found, const auto& measure) {
    Peak peak = peak_of(found, image);
    if (!in_image(peak, image)) {
      ++counts.in_padding;
      return;
    }
    ++counts.found;
    if (!right_size(peak, counts)) return;
    peak.panel = static_cast<std::int32_t>(panel);
    const PeakProperties properties = measure();
    set_properties(peak, properties);
    if (params_.position == PeakPosition::intensity) use_weighted_position(peak, properties);
    shift(peak, view.window());
    if (!strong_enough(peak, counts)) return;
    if (ring == nullptr || ring->has(panel, peak.y, peak.x)) peaks.add(peak);
  };
  const auto found = components.components();
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!params_.split) {
      take(found[i], [&] { return meter.measure(i); });
      continue;
    }
    const PeakProperties whole = meter.measure(i);
    splitter.split(components.runs_of(i), image, params_.connectivity, whole, params_.split_depth);
    const auto parts = splitter.parts();
    counts.from_splits += parts.size() - 1;
    for (std::size_t k = 0; k < parts.size(); ++k) {
      take(parts[k], [&] {
        return parts.size() == 1 ? whole : meter.measure(parts[k].box, splitter.runs_of(k));
      });
    }
  }
  components.trim(scratch_kept);
  splitter.trim(scratch_kept);
}

bool FindPeaks::right_size(const Peak& peak, Counts& counts) const {
  if (peak.npix < params_.min_pixels) {
    ++counts.too_small;
  } else if (params_.max_pixels && peak.npix > *params_.max_pixels) {
    ++counts.too_large;
  } else {
    return true;
  }
  return false;
}

bool FindPeaks::strong_enough(const Peak& peak, Counts& counts) const {
  if (params_.min_snr && !(peak.snr >= *params_.min_snr)) {
    ++counts.too_weak;
  } else if (params_.min_intensity && !(peak.total >= *params_.min_intensity)) {
    ++counts.too_faint;
  } else {
    return true;
  }
  return false;
}

void FindPeaks::Counts::report(const Context& context, std::size_t stored) const {
  const auto count = [&](const char* name, std::uint64_t n) {
    if (n > 0) context.count(name, n);
  };
  count("peaks_found", found);
  count("peaks_from_splits", from_splits);
  count("peaks_in_padding", in_padding);
  count("peaks_too_small", too_small);
  count("peaks_too_large", too_large);
  count("peaks_too_weak", too_weak);
  count("peaks_too_faint", too_faint);
  count("peaks_cut", kept() - stored);
}

}  // namespace pnflow
