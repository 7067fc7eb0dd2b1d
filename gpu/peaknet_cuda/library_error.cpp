#include "gpu/peaknet_cuda/library_error.h"

#include <fmt/format.h>

namespace pnflow {

void check(cublasStatus_t code, const char* call) {
  if (code == CUBLAS_STATUS_SUCCESS) return;
  throw LibraryError(fmt::format("{}: {}", call, cublasLtGetStatusString(code)));
}

void check(cudnnStatus_t code, const char* call) {
  if (code == CUDNN_STATUS_SUCCESS) return;
  throw LibraryError(fmt::format("{}: {}", call, cudnnGetErrorString(code)));
}

}  // namespace pnflow
