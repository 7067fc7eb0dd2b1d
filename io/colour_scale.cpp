#include "io/colour_scale.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace pnflow {
namespace {

// Nine colours of matplotlib's "viridis" (CC0), evenly spaced, between which is interpolated. Its
// steps look equally large, also without colour vision.
constexpr std::array<Rgb, 9> viridis = {{{68, 1, 84},
                                         {71, 45, 123},
                                         {59, 82, 139},
                                         {44, 114, 142},
                                         {33, 144, 140},
                                         {39, 173, 129},
                                         {93, 200, 99},
                                         {170, 220, 50},
                                         {253, 231, 37}}};
constexpr std::array<Rgb, 2> grey = {{{0, 0, 0}, {255, 255, 255}}};

// `position` is 0 to 1.
Rgb interpolate(std::span<const Rgb> colours, double position) {
  const double at = position * static_cast<double>(colours.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(at), colours.size() - 2);
  const double part = at - static_cast<double>(below);
  Rgb colour{};
  for (std::size_t i = 0; i < colour.size(); ++i) {
    colour[i] = static_cast<std::uint8_t>(
        std::lround(colours[below][i] * (1 - part) + colours[below + 1][i] * part));
  }
  return colour;
}

double quantile(std::span<double> values, double fraction) {
  const auto rank = static_cast<std::ptrdiff_t>(fraction * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, values.begin() + rank);
  return values[static_cast<std::size_t>(rank)];
}

}  // namespace

ColourScale::ColourScale(std::span<double> values, ColourMap map) : map_(map) {
  if (values.empty()) return;
  constexpr double lowest = 0.01;
  // Where the background is flat, a part of the whole range takes the place of its width.
  constexpr double smallest_unit = 1e-4;
  low_ = quantile(values, lowest);
  high_ = *std::ranges::max_element(values);
  unit_ = std::max(quantile(values, 0.5) - low_, smallest_unit * (high_ - low_));
}

Rgb ColourScale::operator()(double value) const {
  double position = 0;
  if (high_ > low_) {
    const double above = std::clamp(value, low_, high_) - low_;
    position = std::min(1.0, std::log1p(above / unit_) / std::log1p((high_ - low_) / unit_));
  }
  return map_ == ColourMap::grey ? interpolate(grey, position) : interpolate(viridis, position);
}

}  // namespace pnflow
