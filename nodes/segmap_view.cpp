#include "nodes/segmap_view.h"

#include <fmt/format.h>

#include "graph/error.h"
#include "nodes/segmap_window.h"

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

}  // namespace

SegmapView::SegmapView(const Batch& batch)
    : image_(field_with_panels(batch, "image")),
      segmap_(field_with_panels(batch, "segmap")),
      mask_(batch.find("mask")),
      panels_(image_.rank() == 4 ? image_.shape()[1] : 1),
      height_(image_.shape()[image_.rank() - 2]),
      width_(image_.shape().back()),
      window_(read_segmap_window(batch, height_, width_)) {
  check_segmap();
  check_mask();
}

void SegmapView::check_segmap() const {
  if (segmap_.dtype() != DType::u8 && segmap_.dtype() != DType::u64) {
    throw DataError("wrong dtype",
                    fmt::format("'segmap' is {}, not uint8 or uint64", name_of(segmap_.dtype())));
  }
  Shape expected = image_.shape();
  expected[expected.size() - 2] = window_.map_height;
  expected.back() =
      window_.row_elements(segmap_.dtype() == DType::u64 ? MapFormat::bits : MapFormat::uint8);
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
  const std::size_t height = window_.map_height;
  const std::size_t width = window_.map_width;
  if (segmap_.dtype() == DType::u64) {
    const std::size_t words = height * words_per_row(width);
    components.label_bits(segmap_.as<std::uint64_t>().subspan(map * words, words), height, width,
                          connectivity);
  } else {
    const std::size_t bytes = height * width;
    components.label_bytes(segmap_.as<std::uint8_t>().subspan(map * bytes, bytes), height, width,
                           connectivity);
  }
}

PanelPixels SegmapView::pixels(std::size_t event, std::size_t panel) const {
  const std::size_t size = height_ * width_;
  const std::size_t pixel = (event * panels_ + panel) * size + window_.first();
  PanelPixels out;
  out.dtype = image_.dtype();
  out.pixels = image_.raw().data() + pixel * size_of(image_.dtype());
  out.mask = mask_ == nullptr ? nullptr
                              : mask_->as<std::uint8_t>().data() + panel * size + window_.first();
  out.height = window_.height;
  out.width = window_.width;
  out.stride = width_;
  out.top = window_.top;
  out.left = window_.left;
  return out;
}

}  // namespace pnflow
