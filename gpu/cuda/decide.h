#pragma once

#include <cuda_runtime_api.h>

#include "gpu/device_model.h"

namespace pnflow {

// From a network's logits to segmentation maps: class 1 where its logit is the greater one, a tie
// going to class 0. One kernel on `stream`; each logit is read once. Throws CudaError.
void decide_classes(const DeviceLogits& logits, const DeviceMaps& to, cudaStream_t stream);

}  // namespace pnflow
