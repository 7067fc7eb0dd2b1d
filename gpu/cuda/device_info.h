#pragma once

#include <cuda_runtime_api.h>

#include <string>

#include "gpu/device_description.h"

namespace pnflow {

// How many GPUs this process sees, and CUDA's answer to that question.
struct VisibleDevices {
  int count = 0;
  cudaError_t code = cudaSuccess;  // cudaErrorNoDevice: there are none
};
VisibleDevices visible_devices();

// What is missing when `seen` has no GPU: "the machine has no NVIDIA driver".
std::string why_none(const VisibleDevices& seen);

// What keeps pnflow from using such a device: "has compute capability 7.5; ..."; empty: nothing.
std::string why_not(const cudaDeviceProp& properties);

// The NUMA node that a device is attached to; -1: unknown. Throws CudaError.
int numa_node_of(int device);

DeviceSurvey survey_devices();

}  // namespace pnflow
