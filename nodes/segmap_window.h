#pragma once

#include <cstddef>

#include "gpu/map_geometry.h"
#include "graph/batch.h"

namespace pnflow {

// Where the images of a batch lie in its segmentation maps: integer attributes of the batch, in
// pixels.
//
//   segmap_height, segmap_width  size of a map, padding included; default: the image's
//   segmap_top, segmap_left      place in the map of the first pixel that the model saw; default 0
//   crop_height, crop_width      size of the part of the image that the model saw; default: all of
//   it crop_top, crop_left          place in the image of that part's first pixel; default 0
struct SegmapWindow {
  // For received images of height x width. Throws DataError("wrong shape") when an attribute is no
  // number of pixels, or they do not fit each other and the image.
  SegmapWindow(const Batch& batch, std::size_t height, std::size_t width);

  std::size_t map_height, map_width;
  std::size_t top, left;
  std::size_t height, width;
  std::size_t crop_top, crop_left;
};

// Says it of a batch with images of this geometry.
void set_segmap_window(Batch& batch, const MapGeometry& geometry);

}  // namespace pnflow
