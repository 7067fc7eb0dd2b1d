#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>

#include "gpu/peaknet/algorithm_cache.h"
#include "gpu/peaknet_cuda/convolution.h"
#include "gpu/peaknet_cuda/gemm.h"

namespace pnflow {

// Use the algorithm that `cache` has for this device, library and shape, if it runs with these
// operands; else the fastest, which is then stored there. What is the fastest differs from run to
// run, and so do the last bits of what algorithms give: all instances of a network, and later runs,
// must ask the same cache. `out` is overwritten. Wait for the stream where they have to measure,
// for up to seconds. Throw CudaError, LibraryError: no algorithm works.

// `workspace` is room of Gemm::most_workspace bytes.
void choose_algorithm(Gemm& gemm, AlgorithmCache& cache, const GemmOperands& operands,
                      void* workspace, cudaStream_t stream);
void choose_plan(Convolution& convolution, AlgorithmCache& cache,
                 const ConvolutionOperands& operands, void* workspace, std::size_t workspace_bytes,
                 cudaStream_t stream);

// Under which they are in the cache, for the current device: "NVIDIA H100 80GB HBM3, 132
// processors, cuBLASLt 130100, 16 algorithms: 1 x ...". Throw CudaError.
std::string cache_key(const Gemm& gemm);
std::string cache_key(const Convolution& convolution);

}  // namespace pnflow
