#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "gpu/cuda/raw_images.h"
#include "gpu/threshold_rule.h"

namespace pnflow {

// The peak finder without a network (gpu/threshold.h) on a device: the same answer, bit for bit.
// `scratch` is room of threshold_bytes(images, pixels), `maps` takes images x map_bytes(format)
// bytes; both in the device's memory. Kernels on `stream`: one that quantises, three that slide the
// window, one that grows the seeds and packs the map. Throws CudaError.
void find_by_threshold(const RawImages& raw, const ThresholdRule& rule, int radius,
                       MapFormat format, void* scratch, std::byte* maps, cudaStream_t stream);

// `pixels` of one image.
std::size_t threshold_bytes(std::size_t images, std::size_t pixels);

}  // namespace pnflow
