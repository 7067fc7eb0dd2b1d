#include "gpu/peaknet_cuda/hopper_kernels.h"

#include "gpu/cuda/cuda_check.h"

namespace pnflow {

bool runs_hopper_kernels() {
  return attribute_of_device(cudaDevAttrComputeCapabilityMajor) == 9 &&
         attribute_of_device(cudaDevAttrComputeCapabilityMinor) == 0;
}

}  // namespace pnflow
