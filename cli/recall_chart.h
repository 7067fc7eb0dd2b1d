#pragma once

#include <span>

#include "io/peak_score.h"
#include "io/png_file.h"

namespace pnflow {

// How high a recall of 1 is in pixels.
inline constexpr std::size_t chart_height = 400;

// A bar for each bin, in their order from left to right: what was found from the bottom up, what
// was lost above it, to the full height, which is 1. A bin without reflections has no bar. Lines
// at 0, 0.25, 0.5, 0.75 and 1.
PngFile recall_chart(std::span<const SnrBin> bins);

}  // namespace pnflow
