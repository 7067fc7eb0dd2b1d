#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "gpu/cuda/raw_images.h"
#include "gpu/engine_settings.h"

namespace pnflow {

// From raw images to what a network takes, as gpu/preprocess.h defines it for the CPU: masked,
// normalised, padded and converted. `out` takes images x map_height x map_width values of
// `precision`, `statistics` is room of statistics_bytes(images); both in the device's memory.
// Mean and variance are summed in double, in an order that depends on the shape only: the same
// image gives the same values in every run and at every place in a micro-batch.
// Enqueues on `stream`, one kernel, or two where an image's statistics are needed (the second finds
// an image's pixels in the L2 cache where they fit). Throws CudaError.
void prepare_images(const RawImages& raw, Normalize normalize, const NormalizeSettings& settings,
                    Precision precision, void* statistics, void* out, cudaStream_t stream);

std::size_t statistics_bytes(std::size_t images);

}  // namespace pnflow
