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

DeviceScope::DeviceScope(int device) {
  check(cudaGetDevice(&previous_), "cudaGetDevice");
  check(cudaSetDevice(device), "cudaSetDevice");
}

}  // namespace pnflow
