#pragma once

#include <cstddef>

#include "gpu/map_geometry.h"
#include "graph/batch.h"

namespace pnflow {

// Where the images of a batch lie in its segmentation maps is said by integer attributes of the
// batch, in pixels:
//
//   crop_height, crop_width      size of the part of each image that the model saw; default: all
//   crop_top, crop_left          place of its first pixel in the image; default 0
//   segmap_height, segmap_width  size of a map, padding included; default: that of the part
//   segmap_top, segmap_left      place of the part's first pixel in the map; default 0

// For images of height x width. Throws DataError("wrong shape") when an attribute is no number of
// pixels, or they do not fit each other and the image.
MapGeometry read_segmap_window(const Batch& batch, std::size_t height, std::size_t width);

void write_segmap_window(Batch& batch, const MapGeometry& geometry);

}  // namespace pnflow
