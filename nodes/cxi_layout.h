#pragma once

#include <cstddef>
#include <optional>

#include "graph/array.h"
#include "io/cxi_event.h"
#include "io/slab_geometry.h"
#include "nodes/slab_layout.h"

namespace pnflow {

// How the images of a message lie in those of a CXI file: as the slab of a geometry, or without
// one, panels one below the other as they come. Immutable: safe to use from any thread.
class CxiLayout {
 public:
  // `stream`: of the images as they come. `geometry` may be null; it must outlive the layout.
  // Throws DataError("wrong shape") when it does not fit the images.
  CxiLayout(const SlabGeometry* geometry, const CxiFormat& stream);

  // Of the file: the stream's own, unless panels have other places; then the slab is one panel.
  const CxiFormat& format() const { return format_; }

  // The image (or map) of an event; gaps between panels get `fill`.
  Array image(const Array& event, double fill = 0) const;
  // The mask, in which gaps are bad; one that has only them where there is none.
  std::optional<Array> mask(const std::optional<Array>& panels) const;

  // The place in the file's image of the first pixel of a panel.
  SlabPixel first_pixel(std::size_t panel) const;
  // Adds a peak's place in the laboratory. x and y are those of the file's image.
  void add_place(CxiPeaks& peaks, std::size_t panel, double camera_length,
                 double photon_energy) const;

 private:
  std::optional<SlabLayout> slab_;
  CxiFormat format_;
  std::size_t panel_height_ = 0;  // as they come
};

}  // namespace pnflow
