#include "gpu/peaknet_cuda/choose_algorithm.h"

#include <fmt/format.h>

#include "gpu/cuda/cuda_check.h"

namespace pnflow {

namespace {

// A part of a device has the name of the whole.
std::string current_device() {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return fmt::format("{}, {} processors", properties.name, properties.multiProcessorCount);
}

}  // namespace

std::string cache_key(const Gemm& gemm) {
  return fmt::format("{}, cuBLASLt {}, {} algorithms: {}", current_device(), cublasLtGetVersion(),
                     gemm.algorithms(), to_string(gemm.shape()));
}

std::string cache_key(const Convolution& convolution) {
  return fmt::format("{}, cuDNN {}, {} plans: 3x3 convolution of {}", current_device(),
                     cudnnGetVersion(), convolution.plans(), to_string(convolution.shape()));
}

void choose_algorithm(Gemm& gemm, AlgorithmCache& cache, const GemmOperands& operands,
                      void* workspace, cudaStream_t stream) {
  const std::string key = cache_key(gemm);
  const auto known = cache.find(key);
  if (known && *known < gemm.algorithms() &&
      gemm.try_algorithm(*known, operands, workspace, stream)) {
    return;
  }
  gemm.use_fastest(operands, workspace, stream);
  cache.store(key, gemm.algorithm());
}

void choose_plan(Convolution& convolution, AlgorithmCache& cache,
                 const ConvolutionOperands& operands, void* workspace, std::size_t workspace_bytes,
                 cudaStream_t stream) {
  const std::string key = cache_key(convolution);
  const auto known = cache.find(key);
  if (known && *known < convolution.plans() &&
      convolution.try_plan(*known, operands, workspace, workspace_bytes, stream)) {
    return;
  }
  convolution.use_fastest(operands, workspace, workspace_bytes, stream);
  cache.store(key, convolution.plan());
}

}  // namespace pnflow
