#include "cli/recall_chart.h"

#include <cmath>
#include <cstddef>

namespace pnflow {
namespace {

constexpr Rgb paper{255, 255, 255}, ink{90, 90, 90}, found{49, 104, 142}, lost{225, 225, 225};
constexpr std::size_t margin = 20, bar_width = 60, between = 20;
constexpr std::size_t line_step = chart_height / 4;

void fill(PngFile& picture, std::size_t x, std::size_t y, std::size_t width, std::size_t height,
          Rgb colour) {
  for (std::size_t row = y; row < y + height; ++row) {
    for (std::size_t column = x; column < x + width; ++column) picture.fill(column, row, 1, colour);
  }
}

}  // namespace

PngFile recall_chart(std::span<const SnrBin> bins) {
  const std::size_t width = bins.size() * (bar_width + between) + between;
  PngFile picture(width + 2 * margin, chart_height + 1 + 2 * margin, paper);
  for (std::size_t y = 0; y <= chart_height; y += line_step) {
    fill(picture, margin, margin + y, width, 1, ink);
  }
  std::size_t x = margin + between;
  for (const SnrBin& bin : bins) {
    if (bin.reflections > 0) {
      const auto high = static_cast<std::size_t>(std::lround(bin.recall() * chart_height));
      fill(picture, x, margin, bar_width, chart_height - high, lost);
      fill(picture, x, margin + chart_height - high, bar_width, high, found);
    }
    x += bar_width + between;
  }
  return picture;
}

}  // namespace pnflow
