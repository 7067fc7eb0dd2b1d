#include "gpu/peaknet_cuda/tile_map.h"

#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "gpu/cuda/cuda_check.h"

namespace pnflow {

namespace {

// By way of the runtime: pnflow is not linked with the driver.
PFN_cuTensorMapEncodeTiled_v12000 encoder() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                         cudaEnableDefault, &found),
        "cudaGetDriverEntryPointByVersion");
  check(found == cudaDriverEntryPointSuccess ? cudaSuccess : cudaErrorNotSupported,
        "cuTensorMapEncodeTiled");
  return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(function);
}

}  // namespace

CUtensorMap tile_map(const void* activations, std::size_t pixels, std::size_t channels,
                     unsigned rows) {
  static const PFN_cuTensorMapEncodeTiled_v12000 encode = encoder();
  constexpr cuuint32_t panel = 32;  // channels
  const cuuint64_t sizes[] = {panel, pixels, channels / panel};
  // Of all but the first. A panel begins within the pixel before it: the driver takes that, though
  // its manual has strides that grow.
  const cuuint64_t strides[] = {channels * 2, std::size_t{panel} * 2};
  const cuuint32_t box[] = {panel, rows, static_cast<cuuint32_t>(channels / panel)};
  const cuuint32_t steps[] = {1, 1, 1};
  CUtensorMap map{};
  const CUresult result =
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, const_cast<void*>(activations), sizes,
             strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_64B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    throw CudaError(cudaErrorInvalidValue,
                    fmt::format("cuTensorMapEncodeTiled: CUresult {}", static_cast<int>(result)));
  }
  return map;
}

}  // namespace pnflow
