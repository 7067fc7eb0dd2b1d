#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "cli/file_summary.h"
#include "io/colour_scale.h"
#include "io/png_file.h"

namespace pnflow {

struct DrawingOptions {
  std::optional<std::size_t> columns;       // of panels; nothing: see draw_event()
  std::optional<std::size_t> panel_height;  // of panels that stand one below the other in an image
  std::optional<std::size_t> scale;         // pixels of the picture for one of the detector, a side
  ColourMap colours = ColourMap::viridis;
};

// A picture of an event, and what was made of it.
struct Drawing {
  PngFile picture;
  std::size_t columns = 1, scale = 1;
  double low = 0, high = 0;  // values with the first and the last colour
  std::size_t peaks = 0;     // that are marked, and likewise
  std::size_t reflections = 0;
  std::size_t masked = 0, non_finite = 0;
};

// Colours of what is no pixel value; none of them is one of a colour map.
inline constexpr Rgb peak_colour = {255, 70, 50};
inline constexpr Rgb reflection_colour = {0, 255, 255};
inline constexpr Rgb masked_colour = {165, 90, 30};
inline constexpr Rgb non_finite_colour = {255, 0, 255};
inline constexpr Rgb gap_colour = {255, 255, 255};

// Draws the pixels of an event as ColourScale colours them, each as a square of scale x scale;
// without a scale, one up to 8 that makes small images larger, up to 800 pixels. Masked pixels
// count neither for the colours nor as pixels.
//
// Panels (C,H,W) stand in a grid, two pixels apart, with as many columns as make it the nearest to
// a square. An image (H,W) is drawn as it is, unless `columns` asks for a grid of the panels that
// stand one below the other in it; their height comes from `panel_height` or from the file.
//
// Each peak of a CXI file has a circle around its spot, which leaves the spot free: of the radius
// of its pixels and four pixels more. Its centre is the middle of the square of pixel (x, y), in
// fractions where these have them: (x + 0.5) * scale - 0.5. Each reflection has a square around its
// place, three pixels from it.
//
// Throws RunError when the event has no image, or the options do not fit it.
Drawing draw_event(const EventDetail& event, const DrawingOptions& options);

}  // namespace pnflow
