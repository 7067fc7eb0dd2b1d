#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "gpu/device_model.h"
#include "gpu/map_geometry.h"

namespace pnflow {

// From a network's logits to segmentation maps: class 1 where its logit is the greater one, a tie
// going to class 0. `maps` takes images x map_bytes(format) bytes, 8-byte aligned; `values`, unless
// it is nullptr, the logits as float32 (images, 2, map_height, map_width) in C order. Both are in
// the device's memory. One kernel on `stream`; each logit is read once. Throws CudaError.
void decide_classes(const DeviceLogits& logits, std::size_t images, const MapGeometry& geometry,
                    MapFormat format, std::byte* maps, float* values, cudaStream_t stream);

}  // namespace pnflow
