#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "graph/array.h"
#include "io/slab_geometry.h"

namespace pnflow {

// Where the images of an event lie in the slab of a CrystFEL geometry (the Cheetah layout). They
// come as the geometry's modules, (C,H,W) or (H,W) of one, or as the slab itself, (H,W) or (1,H,W).
// Refers to the geometry. Immutable: safe to use from any thread.
class SlabLayout {
 public:
  // Throws DataError("wrong shape") with both shapes when an event's images are neither.
  SlabLayout(const SlabGeometry& geometry, const Shape& event_shape);

  std::size_t rows() const { return geometry_->rows; }
  std::size_t columns() const { return geometry_->columns; }
  // An event's pixels are the slab's, in the same order.
  bool in_place() const { return in_place_; }
  // Pixels of the slab belong to no image.
  bool has_gaps() const { return has_gaps_; }

  // The image of an event, of any dtype, as (rows, columns) with `fill` in the gaps; where
  // in_place(), the array itself.
  Array to_slab(const Array& event, double fill = 0) const;
  // uint8 (rows, columns): 1 in the gaps, 0 elsewhere.
  Array gaps() const;
  // What a slab, uint8 (rows, columns), has at an event's pixels, as (C,H,W).
  Array to_panels(const Array& slab) const;

  // The pixel of the slab that panel `panel` of the images begins with.
  SlabPixel first_pixel(std::size_t panel) const;
  // Where position (row, column) of the slab, of a pixel of `panel`, is in the laboratory [m];
  // nothing where no panel of the geometry has that pixel. `camera_length` in m; NaN: z is NaN.
  std::optional<LabVector> position(std::size_t panel, double row, double column,
                                    double camera_length) const;

 private:
  // `copy(slab, event, bytes)`: byte offsets of rows that belong together.
  template <class Copy>
  void for_each_row(std::size_t element_bytes, const Copy& copy) const;

  const SlabGeometry* geometry_;
  std::size_t panels_ = 1, height_ = 0, width_ = 0;
  bool whole_ = false;  // the images are the slab itself
  bool in_place_ = false, has_gaps_ = false;
};

}  // namespace pnflow
