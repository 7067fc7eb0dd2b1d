#include "cli/draw_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <span>
#include <vector>

#include "graph/error.h"
#include "io/panel_grid.h"

namespace pnflow {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t pleasant_side = 800;  // pixels of the picture
constexpr std::size_t largest_scale = 8;

PanelGrid grid_of(const EventDetail& event, const DrawingOptions& options) {
  const Shape& shape = event.image->shape();
  PanelGrid grid{.panels = shape.size() == 3 ? shape[0] : 1,
                 .height = shape[shape.size() - 2],
                 .width = shape.back()};
  if (shape.size() == 3 && options.panel_height) {
    throw RunError(fmt::format("--panel-height is for images without panels, this one is {}",
                               to_string(shape)));
  }
  if (shape.size() == 2 && options.columns) {
    const std::size_t rows = grid.height;
    if (options.panel_height) {
      grid.height = *options.panel_height;
    } else if (event.panels && rows % *event.panels == 0) {
      grid.height = rows / *event.panels;
    } else {
      throw RunError("the file does not say how high a panel is: --columns needs --panel-height");
    }
    if (grid.height == 0 || rows % grid.height != 0) {
      throw RunError(
          fmt::format("an image of {} rows is not made of panels of {} rows", rows, grid.height));
    }
    grid.panels = rows / grid.height;
  }
  grid.columns = near_square_columns(grid.panels, grid.height, grid.width);
  if (options.columns) grid.columns = std::clamp(*options.columns, std::size_t{1}, grid.panels);
  grid.gap = grid.panels > 1 ? gap : 0;
  return grid;
}

std::size_t scale_of(const PanelGrid& grid, const DrawingOptions& options) {
  if (options.scale) return *options.scale;
  const std::size_t side = std::max(grid.picture_width(), grid.picture_height());
  return std::clamp(pleasant_side / side, std::size_t{1}, largest_scale);
}

// All pixels of the event, in C order.
std::vector<double> values_of(const Array& image) {
  return dispatch(image.dtype(), [&](auto zero) {
    const auto pixels = image.as<decltype(zero)>();
    return std::vector<double>(pixels.begin(), pixels.end());
  });
}

class Painter {
 public:
  Painter(const EventDetail& event, const DrawingOptions& options)
      : event_(event),
        grid_(grid_of(event, options)),
        scale_(scale_of(grid_, options)),
        drawing_{.picture = PngFile(grid_.picture_width() * scale_, grid_.picture_height() * scale_,
                                    gap_colour),
                 .columns = grid_.columns,
                 .scale = scale_} {
    if (!event.mask) return;
    if (event.mask->elements() != event.image->elements() ||
        event.mask->shape().back() != grid_.width) {
      throw RunError(fmt::format("the mask is {}, the image {}", to_string(event.mask->shape()),
                                 to_string(event.image->shape())));
    }
    mask_ = event.mask->as<std::uint8_t>();
  }

  Drawing draw(ColourMap colours) {
    const std::vector<double> values = values_of(*event_.image);
    std::vector<double> good;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!masked(i) && std::isfinite(values[i])) good.push_back(values[i]);
    }
    const ColourScale scale(good, colours);
    drawing_.low = scale.low();
    drawing_.high = scale.high();
    for (std::size_t i = 0; i < values.size(); ++i) draw_pixel(i, values[i], scale);
    for (const auto& [x, y] : event_.reflections) draw_reflection(x, y);
    for (const StoredPeak& peak : event_.peaks) draw_peak(peak);
    return std::move(drawing_);
  }

 private:
  bool masked(std::size_t index) const { return !mask_.empty() && mask_[index] != 0; }

  void draw_pixel(std::size_t index, double value, const ColourScale& scale) {
    const std::size_t row = index / grid_.width;
    const std::size_t panel = row / grid_.height;
    const std::size_t x = grid_.left(panel) + index % grid_.width;
    const std::size_t y = grid_.top(panel) + row % grid_.height;
    Rgb colour{};
    if (masked(index)) {
      colour = masked_colour;
      ++drawing_.masked;
    } else if (!std::isfinite(value)) {
      colour = non_finite_colour;
      ++drawing_.non_finite;
    } else {
      colour = scale(value);
    }
    drawing_.picture.fill(x * scale_, y * scale_, scale_, colour);
  }

  // Where a place of the image is in the picture; nothing outside of the image.
  std::optional<EventDetail::Position> in_picture(double x, double y) const {
    const auto rows = static_cast<double>(grid_.height * grid_.panels);
    const bool inside =
        x >= -0.5 && x < static_cast<double>(grid_.width) - 0.5 && y >= -0.5 && y < rows - 0.5;
    if (!inside) return {};  // also what is not finite
    const auto panel = static_cast<std::size_t>((y + 0.5) / static_cast<double>(grid_.height));
    const double in_panel = y - static_cast<double>(panel * grid_.height);
    const auto scale = static_cast<double>(scale_);
    return EventDetail::Position{
        .x = (static_cast<double>(grid_.left(panel)) + x + 0.5) * scale - 0.5,
        .y = (static_cast<double>(grid_.top(panel)) + in_panel + 0.5) * scale - 0.5};
  }

  void draw_peak(const StoredPeak& peak) {
    const auto centre = in_picture(peak.x, peak.y);
    if (!centre) return;
    constexpr double smallest_spot = 9;  // pixels
    constexpr double distance = 4;       // of the circle from the spot
    const double spot =
        std::isfinite(peak.npix) ? std::max(peak.npix, smallest_spot) : smallest_spot;
    draw_circle(centre->x, centre->y,
                (std::sqrt(spot / std::numbers::pi) + distance) * static_cast<double>(scale_));
    ++drawing_.peaks;
  }

  void draw_reflection(double x, double y) {
    const auto centre = in_picture(x, y);
    if (!centre) return;
    constexpr double distance = 3;  // pixels
    const auto side = std::lround(distance * static_cast<double>(scale_));
    const auto column = std::lround(centre->x);
    const auto row = std::lround(centre->y);
    for (auto i = -side; i <= side; ++i) {
      drawing_.picture.set(column + i, row - side, reflection_colour);
      drawing_.picture.set(column + i, row + side, reflection_colour);
      drawing_.picture.set(column - side, row + i, reflection_colour);
      drawing_.picture.set(column + side, row + i, reflection_colour);
    }
    ++drawing_.reflections;
  }

  // As thin as can be seen.
  void draw_circle(double x, double y, double radius) {
    const double width = scale_ > 2 ? 2 : 1;
    const double outer = radius + width / 2;
    const auto first = [&](double centre) { return std::lround(std::floor(centre - outer)); };
    const auto last = [&](double centre) { return std::lround(std::ceil(centre + outer)); };
    for (auto row = first(y); row <= last(y); ++row) {
      for (auto column = first(x); column <= last(x); ++column) {
        const double away =
            std::hypot(static_cast<double>(column) - x, static_cast<double>(row) - y);
        if (std::abs(away - radius) <= width / 2) drawing_.picture.set(column, row, peak_colour);
      }
    }
  }

  const EventDetail& event_;
  PanelGrid grid_;
  std::size_t scale_;
  std::span<const std::uint8_t> mask_;
  Drawing drawing_;
};

}  // namespace

Drawing draw_event(const EventDetail& event, const DrawingOptions& options) {
  if (!event.image) {
    throw RunError(fmt::format("event {} of '{}' has no image that can be read{}{}", event.index,
                               event.file, event.fault.empty() ? "" : ": ", event.fault));
  }
  return Painter(event, options).draw(options.colours);
}

}  // namespace pnflow
