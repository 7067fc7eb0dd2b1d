#pragma once

#include <cuda.h>

#include <cstddef>

namespace pnflow {

// How Hopper's copy engine reads tiles of `rows` neighbouring pixels of bfloat16 activations,
// (pixels, channels), into shared memory as Panels<64> of hopper.cuh: the coordinates of a tile are
// 0, its first pixel and 0. Pixels behind the last one are zeros. Made by the driver's
// cuTensorMapEncodeTiled; valid for as long as the activations are. `channels` are a multiple of
// 32. Throws CudaError.
CUtensorMap tile_map(const void* activations, std::size_t pixels, std::size_t channels,
                     unsigned rows);

}  // namespace pnflow
