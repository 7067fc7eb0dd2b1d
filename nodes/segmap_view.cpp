#include "nodes/segmap_view.h"

#include <fmt/format.h>

#include <string>
#include <variant>

#include "graph/error.h"

namespace pnflow {
namespace {

const Array& field_with_panels(const Batch& batch, const char* name) {
  const Array& array = batch.array(name);
  if (array.rank() != 3 && array.rank() != 4) {
    throw DataError("wrong shape",
                    fmt::format("'{}' is {}, not (events, H, W) or (events, panels, H, W)", name,
                                to_string(array.shape())));
  }
  return array;
}

// The attribute's value, or `otherwise` when the batch has none.
std::size_t extent(const Batch& batch, const char* name, std::size_t otherwise) {
  const Attribute* attribute = batch.attribute(name);
  if (attribute == nullptr) return otherwise;
  const auto* value = std::get_if<std::int64_t>(attribute);
  if (value == nullptr || *value < 0) {
    throw DataError("wrong shape", fmt::format("'{}' is not a number of pixels", name));
  }
  return static_cast<std::size_t>(*value);
}

}  // namespace

SegmapView::SegmapView(const Batch& batch)
    : image_(field_with_panels(batch, "image")),
      segmap_(field_with_panels(batch, "segmap")),
      mask_(batch.find("mask")),
      panels_(image_.rank() == 4 ? image_.shape()[1] : 1),
      height_(image_.shape()[image_.rank() - 2]),
      width_(image_.shape().back()) {
  read_attributes(batch);
  check_segmap();
  check_mask();
}

void SegmapView::read_attributes(const Batch& batch) {
  map_height_ = extent(batch, "segmap_height", height_);
  map_width_ = extent(batch, "segmap_width", width_);
  top_ = extent(batch, "segmap_top", 0);
  left_ = extent(batch, "segmap_left", 0);
  const auto inside = [](std::size_t first, std::size_t length, std::size_t whole) {
    return length <= whole && first <= whole - length;
  };
  if (!inside(top_, height_, map_height_) || !inside(left_, width_, map_width_)) {
    throw DataError("wrong shape",
                    fmt::format("images of {}x{} at row {}, column {} do not lie within the "
                                "segmentation map of {}x{}",
                                height_, width_, top_, left_, map_height_, map_width_));
  }
}

void SegmapView::check_segmap() const {
  if (segmap_.dtype() != DType::u8 && segmap_.dtype() != DType::u64) {
    throw DataError("wrong dtype",
                    fmt::format("'segmap' is {}, not uint8 or uint64", name_of(segmap_.dtype())));
  }
  Shape expected = image_.shape();
  expected[expected.size() - 2] = map_height_;
  expected.back() = segmap_.dtype() == DType::u64 ? words_per_row(map_width_) : map_width_;
  if (segmap_.shape() != expected) {
    throw DataError("wrong shape",
                    fmt::format("'segmap' is {} ({}); for images of {} it must be {}",
                                to_string(segmap_.shape()), name_of(segmap_.dtype()),
                                to_string(image_.shape()), to_string(expected)));
  }
}

void SegmapView::check_mask() const {
  if (mask_ == nullptr) return;
  if (mask_->dtype() != DType::u8) {
    throw DataError("wrong dtype", fmt::format("'mask' is {}, not uint8", name_of(mask_->dtype())));
  }
  const Shape with_panels{panels_, height_, width_};
  const bool one_panel = panels_ == 1 && mask_->shape() == Shape{height_, width_};
  if (mask_->shape() != with_panels && !one_panel) {
    throw DataError("wrong shape", fmt::format("'mask' is {}; for images of {} it must be {}",
                                               to_string(mask_->shape()), to_string(image_.shape()),
                                               to_string(with_panels)));
  }
}

void SegmapView::label(std::size_t event, std::size_t panel, Connectivity connectivity,
                       ConnectedComponents& components) const {
  const std::size_t map = event * panels_ + panel;
  if (segmap_.dtype() == DType::u64) {
    const std::size_t words = map_height_ * words_per_row(map_width_);
    components.label_bits(segmap_.as<std::uint64_t>().subspan(map * words, words), map_height_,
                          map_width_, connectivity);
  } else {
    const std::size_t bytes = map_height_ * map_width_;
    components.label_bytes(segmap_.as<std::uint8_t>().subspan(map * bytes, bytes), map_height_,
                           map_width_, connectivity);
  }
}

PanelPixels SegmapView::pixels(std::size_t event, std::size_t panel) const {
  const std::size_t size = height_ * width_;
  PanelPixels out;
  out.dtype = image_.dtype();
  out.pixels = image_.raw().data() + (event * panels_ + panel) * size * size_of(image_.dtype());
  out.mask = mask_ == nullptr ? nullptr : mask_->as<std::uint8_t>().data() + panel * size;
  out.height = height_;
  out.width = width_;
  out.top = top_;
  out.left = left_;
  return out;
}

}  // namespace pnflow
