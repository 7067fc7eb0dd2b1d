#include "nodes/slab_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "graph/error.h"

namespace pnflow {
namespace {

// Panels one below the other, in the order in which they are streamed.
bool stacked(const std::vector<GeometryModule>& modules) {
  std::size_t row = 0;
  for (const GeometryModule& module : modules) {
    if (module.range.min_fs != 0 || module.range.min_ss != row) return false;
    row = module.range.max_ss + 1;
  }
  return true;
}

// The pixel that has a position, from half a pixel before its centre on; inside of the range, whose
// outermost edge is its last pixel's too.
std::size_t pixel_at(double position, std::size_t first, std::size_t last) {
  const double pixel = std::floor(position + 0.5);
  return static_cast<std::size_t>(
      std::clamp(pixel, static_cast<double>(first), static_cast<double>(last)));
}

}  // namespace

SlabLayout::SlabLayout(const SlabGeometry& geometry, const Shape& event_shape)
    : geometry_(&geometry),
      panels_(event_shape.size() == 3 ? event_shape.front() : 1),
      height_(event_shape.at(event_shape.size() - 2)),
      width_(event_shape.back()) {
  whole_ = panels_ == 1 && height_ == rows() && width_ == columns();
  in_place_ = whole_;
  if (whole_) return;
  const auto& modules = geometry.modules;
  if (panels_ == 1 && modules.size() > 1) {
    throw DataError(
        "wrong shape",
        fmt::format("{}: the geometry's {} modules lie in {}x{} pixels (rows x "
                    "columns); the images are {}x{}",
                    geometry.geometry.file, modules.size(), rows(), columns(), height_, width_));
  }
  try {
    require_modules(modules, geometry.geometry.file, panels_, height_, width_);
  } catch (const RunError& error) {
    throw DataError("wrong shape", error.what());
  }
  in_place_ = stacked(modules);
  has_gaps_ = panels_ * height_ * width_ != rows() * columns();
}

template <class Copy>
void SlabLayout::for_each_row(std::size_t element_bytes, const Copy& copy) const {
  const std::size_t row_bytes = width_ * element_bytes;
  for (std::size_t panel = 0; panel < panels_; ++panel) {
    const SlabPixel first = first_pixel(panel);
    for (std::size_t y = 0; y < height_; ++y) {
      copy(((first.ss + y) * columns() + first.fs) * element_bytes,
           (panel * height_ + y) * row_bytes, row_bytes);
    }
  }
}

Array SlabLayout::to_slab(const Array& event, double fill) const {
  if (in_place_) return event;
  MutableArray slab(*heap_pool(), event.dtype(), {rows(), columns()});
  if (has_gaps_) {
    dispatch(event.dtype(), [&](auto element) {
      std::ranges::fill(slab.as<decltype(element)>(), static_cast<decltype(element)>(fill));
    });
  }
  for_each_row(size_of(event.dtype()), [&](std::size_t to, std::size_t from, std::size_t bytes) {
    std::memcpy(slab.raw().data() + to, event.raw().data() + from, bytes);
  });
  return std::move(slab).freeze();
}

Array SlabLayout::gaps() const {
  MutableArray slab(*heap_pool(), DType::u8, {rows(), columns()});
  const auto pixels = slab.as<std::uint8_t>();
  std::ranges::fill(pixels, std::uint8_t{has_gaps_});
  if (has_gaps_) {
    for_each_row(1, [&](std::size_t to, std::size_t, std::size_t bytes) {
      std::ranges::fill(pixels.subspan(to, bytes), std::uint8_t{0});
    });
  }
  return std::move(slab).freeze();
}

Array SlabLayout::to_panels(const Array& slab) const {
  const auto from = slab.as<std::uint8_t>();
  MutableArray panels(*heap_pool(), DType::u8, {panels_, height_, width_});
  const auto to = panels.as<std::uint8_t>();
  for_each_row(1, [&](std::size_t at, std::size_t row, std::size_t bytes) {
    std::ranges::copy(from.subspan(at, bytes), to.subspan(row, bytes).begin());
  });
  return std::move(panels).freeze();
}

SlabPixel SlabLayout::first_pixel(std::size_t panel) const {
  return whole_ ? SlabPixel{} : slab_pixel(geometry_->modules, panel, 0, 0);
}

std::optional<LabVector> SlabLayout::position(std::size_t panel, double row, double column,
                                              double camera_length) const {
  const SlabPixel first = first_pixel(panel);
  const std::size_t ss = pixel_at(row, first.ss, first.ss + height_ - 1);
  const std::size_t fs = pixel_at(column, first.fs, first.fs + width_ - 1);
  const auto on = geometry_->geometry.panel_at(ss, fs);
  if (!on) return {};
  const SlabRange& range = geometry_->geometry.panels[*on].range;
  return geometry_->geometry.position(*on, column - static_cast<double>(range.min_fs),
                                      row - static_cast<double>(range.min_ss), camera_length);
}

}  // namespace pnflow
