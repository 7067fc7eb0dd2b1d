#include "gpu/cuda/cuda_check.h"

#include <fmt/format.h>

namespace pnflow {

void check(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  // What is not sticky would be reported by the next call of this thread again.
  static_cast<void>(cudaGetLastError());
  throw CudaError(
      code, fmt::format("{}: {} ({})", call, cudaGetErrorString(code), cudaGetErrorName(code)));
}

int attribute_of_device(cudaDeviceAttr attribute) {
  int device = 0;
  int value = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&value, attribute, device), "cudaDeviceGetAttribute");
  return value;
}

DeviceScope::DeviceScope(int device) {
  check(cudaGetDevice(&previous_), "cudaGetDevice");
  check(cudaSetDevice(device), "cudaSetDevice");
}

}  // namespace pnflow
