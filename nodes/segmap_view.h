#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/map_geometry.h"
#include "graph/batch.h"
#include "nodes/connected_components.h"
#include "nodes/peak_properties.h"

namespace pnflow {

// The fields "segmap", "image" and "mask" of a batch, seen panel by panel.
//
//   image    any dtype, (events, [panels,] H, W): the raw pixels as received
//   segmap   uint8, (events, [panels,] Hm, Wm), nonzero = peak; or uint64, one bit a pixel,
//            (events, [panels,] Hm, ceil(Wm / 64)), least significant bit first
//   mask     optional message field, uint8, ([panels,] H, W), nonzero = bad pixel
//
// The map has the size of the image, Hm x Wm = H x W, unless the batch's attributes say something
// else (nodes/segmap_window.h). Refers to the batch, which must outlive it. Safe to use from any
// thread.
class SegmapView {
 public:
  // Throws DataError: "missing field"; "wrong dtype"; "wrong shape" when the fields do not fit
  // each other or the attributes.
  explicit SegmapView(const Batch& batch);

  std::size_t panels() const { return panels_; }
  const MapGeometry& window() const { return window_; }
  // Labels the map of one panel of one event, padding included.
  void label(std::size_t event, std::size_t panel, Connectivity connectivity,
             ConnectedComponents& components) const;
  // The raw pixels that belong to it: of the part of the image that the model saw.
  PanelPixels pixels(std::size_t event, std::size_t panel) const;

 private:
  void check_segmap() const;
  void check_mask() const;

  const Array& image_;
  const Array& segmap_;
  const Array* mask_;
  std::size_t panels_ = 1;
  std::size_t height_ = 0, width_ = 0;
  MapGeometry window_;
};

}  // namespace pnflow
