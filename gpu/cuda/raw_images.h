#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/map_geometry.h"
#include "graph/dtype.h"

namespace pnflow {

// The raw images of a micro-batch in a device's memory.
struct RawImages {
  const std::byte* pixels = nullptr;  // of image i at i * pitch: height x width elements of dtype,
                                      // without what has been cropped
  std::size_t pitch = 0;              // bytes, a multiple of 256
  DType dtype = DType::u16;
  // Of each image its bad pixels (height x width, not 0 = bad) or nullptr; the list itself is in
  // the device's memory too. nullptr: no image has any.
  const std::uint8_t* const* bad = nullptr;
  std::size_t images = 0;
  MapGeometry geometry;
};

}  // namespace pnflow
