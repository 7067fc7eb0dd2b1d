#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "gpu/device_model.h"
#include "gpu/engine_settings.h"

namespace pnflow {

// PeakNet's own kernels: what no library has in one pass. All of them enqueue on `stream` and do
// not wait; they allocate nothing. Memory is the device's. Activations are channels-last, (images,
// height, width, channels), of `precision`, 16-byte aligned; channels are a multiple of 8, at most
// 3072. Sums are float32, and in an order that depends on the image's shape only. What does not fit
// float16 becomes infinite there. Throw CudaError; std::invalid_argument: a shape or precision that
// is not one of these.

// Pixels of a batch: one at least, at most 2^30, in at most 4096 images of 65535 rows and columns.
struct PixelGrid {
  std::size_t images = 0, height = 0, width = 0;
  constexpr std::size_t of_image() const { return height * width; }
  constexpr std::size_t all() const { return images * height * width; }
  friend bool operator==(const PixelGrid&, const PixelGrid&) = default;
};

// The weight and bias of a norm, or of a depthwise convolution.
struct DeviceAffine {
  const float* weight = nullptr;
  const float* bias = nullptr;
};

// ---------------------------------------------------------------- backbone

// LayerNorm(patches of patch x patch pixels times weight, and bias). `images` is float32 or of
// `precision`, `grid` the patches; `linear.weight` is (patch * patch, channels).
struct Stem {
  std::size_t patch = 4, channels = 0;
  DeviceAffine linear, norm;
};
void stem(const Stem& stem, const PixelGrid& grid, const void* images, Precision of_images,
          Precision precision, void* out, cudaStream_t stream);

// In what the depthwise convolution adds up. float16 takes half the time; images in which a sum
// becomes larger than it can hold, 65504, are computed once more with float32 sums. For activations
// that are not float32.
enum class DepthwiseSums : std::uint8_t { float32, float16 };

// (z - mean) / deviation over the channels of z, the depthwise 7x7 convolution of x and its bias.
// `linear.weight` is (49, channels). With float16 sums, `exceeded` is 0 for each image before, and
// not 0 for those that were computed once more.
void depthwise_norm(const DeviceAffine& linear, std::size_t channels, const PixelGrid& grid,
                    DepthwiseSums sums, unsigned* exceeded, Precision precision, const void* x,
                    void* out, cudaStream_t stream);

// (x - mean) / deviation over the channels. `plain` has the order of x and may be x. `gathered` is
// (images, height / 2, width / 2, 2, 2, channels), what a 2x2 convolution with stride 2 takes as
// one matrix; the grid is even then. Either may be nullptr.
void normalise(std::size_t channels, const PixelGrid& grid, Precision precision, const void* x,
               void* plain, void* gathered, cudaStream_t stream);

// Sums of h^2 over each image's pixels for each channel, in parts, of which response_parts() says
// how many: `parts` is (images, parts, channels). With `gelu`, h becomes GELU(h) before.
std::size_t response_parts(std::size_t pixels_of_image, std::size_t channels);
void response_sums(std::size_t channels, const PixelGrid& grid, Precision precision, bool gelu,
                   void* h, float* parts, cudaStream_t stream);

// The response norm as part of the matrix behind it: of each image,
//     out = weight diag(1 + response_weight * response / (mean response + 1e-6))
// (outputs, channels) with response = sqrt(the sum of its `count` parts). `responses` is room of
// (images, channels).
void fold_responses(std::size_t channels, std::size_t outputs, std::size_t images,
                    Precision precision, const float* parts, std::size_t count,
                    const float* response_weight, const void* weight, float* responses, void* out,
                    cudaStream_t stream);

// ---------------------------------------------------------------- BiFPN

// shares[0] p + shares[1] up(deeper), twice as large as `deeper_grid`; bilinear.
void fuse_with_deeper(const float (&shares)[2], std::size_t channels, const PixelGrid& deeper_grid,
                      Precision precision, const void* p, const void* deeper, void* out,
                      cudaStream_t stream);
// shares[0] p + shares[1] m + shares[2] down(shallower), which is twice as large as `grid`; the
// mean of 2x2 pixels, which is what bilinear resizing by 1/2 comes to.
void fuse_with_shallower(const float (&shares)[3], std::size_t channels, const PixelGrid& grid,
                         Precision precision, const void* p, const void* m, const void* shallower,
                         void* out, cudaStream_t stream);
// GELU(LayerNorm(z)) + p. `out` may be z or p.
void norm_gelu_add(const DeviceAffine& norm, std::size_t channels, const PixelGrid& grid,
                   Precision precision, const void* z, const void* p, void* out,
                   cudaStream_t stream);

// ---------------------------------------------------------------- heads

// GroupNorm of 32 groups as a factor and a summand for each image and channel: `affine` is
// (images, channels, 2). `parts` is room of images x group_parts() x channels x 2. Channels are a
// multiple of 32 too.
std::size_t group_parts(std::size_t pixels_of_image, std::size_t channels);
void group_norm_affine(const DeviceAffine& norm, std::size_t channels, const PixelGrid& grid,
                       Precision precision, const void* x, float* parts, float* affine,
                       cudaStream_t stream);
// up(GELU(factor x + summand)): twice as large as the grid, bilinear.
void gelu_up(const float* affine, std::size_t channels, const PixelGrid& grid, Precision precision,
             const void* x, void* out, cudaStream_t stream);
// weight times GELU(factor x + summand): (images, height, width, scores) float32. `weight` is
// (scores, channels).
void gelu_scores(const float* affine, std::size_t channels, std::size_t scores, const float* weight,
                 const PixelGrid& grid, Precision precision, const void* x, float* out,
                 cudaStream_t stream);

// ---------------------------------------------------------------- maps

// Scores of level 0, and of levels 1 to 3, which are half as high and wide. The grid is level 0's
// and even.
struct LevelScores {
  const float* level0 = nullptr;
  const float* deeper[3] = {nullptr, nullptr, nullptr};
};

// The segmentation maps of the first to.images images, of at most grid.height * patch x
// grid.width * patch pixels: where
//     bilinear(s[0]) + the transposed convolution whose places are s[1 ...] + bias > 0
// with s = level0 + up(the sum of the deeper ones). Scores: 1, or 1 + (patch + 2)^2. `merged` is
// room of (images, height, width, scores), needed with more than one score or another patch than
// 4. The logits are 0 and what is compared with it, so that both are finite where this is.
void decide_peaks(const LevelScores& levels, std::size_t scores, float bias, std::size_t patch,
                  const PixelGrid& grid, float* merged, const DeviceMaps& to, cudaStream_t stream);

}  // namespace pnflow
