#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "graph/dtype.h"
#include "nodes/connected_components.h"

namespace pnflow {

// One panel's raw pixels, and where it lies in the map whose components are measured. The panel is
// not larger than the map: rows top..top + height - 1 and columns left..left + width - 1 of the map
// are the panel, what is around them is padding.
struct PanelPixels {
  DType dtype = DType::u8;
  const std::byte* pixels = nullptr;   // height rows of width elements of `dtype`
  const std::uint8_t* mask = nullptr;  // likewise, nonzero = bad; nullptr: all are good
  std::size_t height = 0, width = 0;
  std::size_t stride = 0;  // elements from one row to the next one
  std::size_t top = 0, left = 0;

  // The value at row y and column x of the map, when that pixel is usable (below).
  std::optional<double> usable_value(std::int32_t y, std::int32_t x) const;
};

// What the raw pixels say of one component. In raw units (ADU, photons) where nothing else is said.
struct PeakProperties {
  double total = 0;
  double maximum = 0;
  double background = 0;
  double sigma = 0;
  double snr = 0;
  // Sums over the usable pixels of w, w * y and w * x with w = max(v - background, 0); y and x are
  // pixel indices of the panel.
  double weight = 0;
  double weighted_y = 0;
  double weighted_x = 0;
};

// Measures the components of one panel's map. The definitions, for a component with bounding box
// y0..y1, x0..x1 (both inclusive), on the pixels v of the panel:
//
//   usable pixel   in the panel, not masked, finite
//   annulus        the usable pixels outside of the bounding box, at most `radius` rows and columns
//                  away from it, that belong to no component
//   background     mean of the annulus
//   sigma          sqrt(mean((v - background)^2)) of the annulus (population standard deviation)
//   total          sum of (v - background) over the n usable pixels of the component
//   maximum        the largest v among them
//   snr            total / (sigma * sqrt(n)): the total over the noise of a sum of n pixels
//
// An annulus without a usable pixel is replaced by all usable pixels of the panel that belong to no
// component; if there are none of these either, background and sigma are 0. snr is 0 when sigma or
// n is 0; total and maximum are 0 when n is 0. Everything is computed in double precision.
//
// The definition of snr is the common one of peak finders (the sum's signal over its noise, without
// the signal's own shot noise, which would need the detector's gain).
//
// Time per component is linear in its pixels: a connected component has at least as many pixels as
// its box has rows, or columns, so its annulus has at most 8 * radius * npix + 4 * radius^2 pixels.
// The panel's background is computed at most once. One object serves one thread.
class PeakMeter {
 public:
  // `components` must be those of a map that contains the panel; both are only referred to.
  PeakMeter(const PanelPixels& panel, const ConnectedComponents& components, int radius);

  PeakProperties measure(std::size_t component);
  // Of a part of a component, which has this box and these runs in raster order.
  PeakProperties measure(const PixelBox& box, std::span<const PixelRun> runs);

 private:
  struct Background {
    std::int64_t pixels = 0;
    double mean = 0;
    double sigma = 0;
  };

  template <class T>
  PeakProperties measure_as(const PixelBox& box, std::span<const PixelRun> runs);
  template <class T>
  Background annulus_of(const PixelBox& box) const;
  template <class T>
  const Background& panel_background();
  // The box and `radius` pixels around it, within the panel. Empty (last before first) when the
  // panel has none of them.
  PixelBox surroundings_of(const PixelBox& box) const;
  template <class T>
  void fetch(const PixelBox& area) const;
  // Of the usable pixels in `area` and not in `hole` that belong to no component; coordinates of
  // the map, `area` within the panel.
  template <class T>
  Background background_of(const PixelBox& hole, const PixelBox& area) const;

  PanelPixels panel_;
  PixelBox area_;  // the panel, in coordinates of the map
  const ConnectedComponents& components_;
  std::int32_t radius_;
  std::optional<Background> panel_background_;
};

}  // namespace pnflow
