#include "gpu/peaknet_cuda/hopper_kernels.h"

#include "gpu/cuda/cuda_check.h"

namespace pnflow {

int attribute_of_device(cudaDeviceAttr attribute) {
  int device = 0;
  int value = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&value, attribute, device), "cudaDeviceGetAttribute");
  return value;
}

bool runs_hopper_kernels() {
  return attribute_of_device(cudaDevAttrComputeCapabilityMajor) == 9 &&
         attribute_of_device(cudaDevAttrComputeCapabilityMinor) == 0;
}

}  // namespace pnflow
