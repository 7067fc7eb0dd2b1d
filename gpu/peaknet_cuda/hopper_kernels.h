#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "gpu/peaknet_cuda/kernels.h"
#include "gpu/peaknet_cuda/shapes.h"

namespace pnflow {

// Matrix products with what stands before and behind them in one kernel, for Hopper (H100, H200)
// and bfloat16 alone. What holds for kernels.h holds here. An image has the same bits in every
// batch: nothing is added atomically, and sums are cut up by the image's shape only.

// Whether the current device is one that these kernels are compiled for. Throws CudaError.
bool runs_hopper_kernels();

// ---------------------------------------------------------------- backbone

// h = GELU(x weight^T + bias), (pixels, 4 channels), and the sums of h^2, before h is rounded, over
// each image's pixels in parts for fold_responses(): `parts` is (images, wide_gelu_parts(), 4
// channels). `weight`, (4 channels, channels), and `bias` are what a Gemm takes: GELU's 1/2 is not
// in them. Images may have any number of pixels. Replaces a Gemm with bias_gelu and
// response_sums().
constexpr bool wide_gelu_takes(std::size_t channels) {
  return channels == 96 || channels == 192 || channels == 352 || channels == 384;
}
constexpr std::size_t wide_gelu_parts(std::size_t pixels_of_image) {
  return image_tiles(pixels_of_image).parts;
}
// Throws std::invalid_argument: channels that it does not take.
void wide_gelu(std::size_t channels, const PixelGrid& grid, const void* x, const void* weight,
               const void* bias, void* h, float* parts, cudaStream_t stream);

// ---------------------------------------------------------------- BiFPN

// A node of the BiFPN,
//     out = GELU(LayerNorm(fused weight^T)) + p
// with `fused` as fuse_with_deeper() and fuse_with_shallower() have it, rounded to bfloat16 as
// there, but for each step towards it, which is rounded as well; GELU is computed in float16.
// Replaces them, a Gemm without an epilogue and norm_gelu_add(). `weight` is (channels, channels).
// `out` is none of the inputs. For 256 channels, and images that are large enough: of those with
// fewer pixels a block has one tile or two, and three kernels are faster. Values of an image, and
// of the shallower level's four times as many, are counted in int. `largest_weight` is the norm's,
// by absolute value: of 256 normalised values, which are at most 16, weight and bias make at most
// 17 times that, half of which is below the 32752 that GELU in float16 can have. The means of
// the weight's columns are 0, but for rounding.
// Throws std::invalid_argument: most_node_pixels or more in an image.
inline constexpr std::size_t most_node_pixels = std::size_t{1} << 21U;
constexpr bool bifpn_node_takes(std::size_t channels, std::size_t pixels_of_image,
                                float largest_weight) {
  return channels == 256 && pixels_of_image >= 8192 && pixels_of_image < most_node_pixels &&
         largest_weight < 1024;
}
void bifpn_node_up(const float (&shares)[2], const DeviceAffine& norm, const PixelGrid& deeper_grid,
                   const void* weight, const void* p, const void* deeper, void* out,
                   cudaStream_t stream);
void bifpn_node_down(const float (&shares)[3], const DeviceAffine& norm, const PixelGrid& grid,
                     const void* weight, const void* p, const void* m, const void* shallower,
                     void* out, cudaStream_t stream);

}  // namespace pnflow
