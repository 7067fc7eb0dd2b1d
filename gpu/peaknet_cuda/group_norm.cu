#include "gpu/peaknet/peaknet_config.h"
#include "gpu/peaknet_cuda/device.cuh"

namespace pnflow {

namespace {

using namespace device;

constexpr int threads = 256;
constexpr float group_norm_eps = 1e-5F;
constexpr int at_once = 4;  // pixels that a thread has in flight
constexpr std::size_t affine_warps = 8;

std::size_t rows_of_sum(std::size_t channels) {
  return threads / divisor_up_to(channels / piece_channels, threads);
}

// A block adds up one part of an image for some channels. Traffic: x once; .0278 ms at 480x480
// pixels of 256 channels in bfloat16 (an H200's 4.24 TB/s), where the prototype took .0259, part of
// it coming from the second-level cache.
// grid: (parts, slices of channels, images); block: (across, rows).
template <class T>
__global__ void __launch_bounds__(threads)
    sum_channels(const T* __restrict__ x, float* __restrict__ parts, int channels, int pixels) {
  extern __shared__ __align__(16) float shared[];  // [rows][across][2][8]
  const int across = static_cast<int>(blockDim.x);
  const int rows = static_cast<int>(blockDim.y);
  const int row = static_cast<int>(threadIdx.y);
  const int channel =
      static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x) * static_cast<int>(piece_channels);
  const T* const image = x + std::size_t{blockIdx.z} * pixels * channels + channel;
  const int step = rows * static_cast<int>(gridDim.x);
  Eight sums = {};
  Eight squares = {};
  for (int first = static_cast<int>(blockIdx.x) * rows + row; first < pixels;
       first += at_once * step) {
    Packed<T> packed[at_once] = {};
#pragma unroll
    for (int j = 0; j < at_once; ++j) {
      const int pixel = first + j * step;
      if (pixel < pixels) {
        packed[j] = load_constant(image + static_cast<std::size_t>(pixel) * channels);
      }
    }
#pragma unroll
    for (int j = 0; j < at_once; ++j) {
      const Eight values = unpack(packed[j]);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        sums.v[i] += values.v[i];
        squares.v[i] = fmaf(values.v[i], values.v[i], squares.v[i]);
      }
    }
  }
  float* const own = shared + (row * across + static_cast<int>(threadIdx.x)) * 16;
  store(own, sums);
  store(own + 8, squares);
  __syncthreads();
  if (row > 0) return;
  for (int r = 1; r < rows; ++r) {
    const float* const other = shared + (r * across + static_cast<int>(threadIdx.x)) * 16;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      sums.v[i] += other[i];
      squares.v[i] += other[8 + i];
    }
  }
  float* const to =
      parts + ((std::size_t{blockIdx.z} * gridDim.x + blockIdx.x) * channels + channel) * 2;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    to[2 * i] = sums.v[i];
    to[2 * i + 1] = squares.v[i];
  }
}

// A warp adds up a group of an image, in double: the mean may be large against the spread.
// grid: (groups / warps of a block, images).
__global__ void __launch_bounds__(affine_warps* warp)
    make_affine(const float* __restrict__ parts, const float* __restrict__ norm_weight,
                const float* __restrict__ norm_bias, float* __restrict__ affine, int channels,
                int count, int pixels) {
  const int each = channels / static_cast<int>(peaknet_groups);
  const int group =
      static_cast<int>(blockIdx.x * affine_warps) + static_cast<int>(threadIdx.x) / warp;
  const int lane = static_cast<int>(threadIdx.x) % warp;
  const float* from = parts + std::size_t{blockIdx.y} * count * channels * 2;
  double sum = 0;
  double squares = 0;
  for (int i = lane; i < count * each; i += warp) {
    const std::size_t at = static_cast<std::size_t>(i / each) * channels + group * each + i % each;
    sum += from[2 * at];
    squares += from[2 * at + 1];
  }
  for (int distance = warp / 2; distance > 0; distance /= 2) {
    sum += __shfl_xor_sync(~0U, sum, distance);
    squares += __shfl_xor_sync(~0U, squares, distance);
  }
  const double values = static_cast<double>(pixels) * each;
  const double mean = sum / values;
  const double variance = fmax(squares / values - mean * mean, 0.0);
  const auto scale = static_cast<float>(rsqrt(variance + group_norm_eps));
  for (int c = group * each + lane; c < (group + 1) * each; c += warp) {
    const float factor = scale * norm_weight[c];
    float* const to = affine + (std::size_t{blockIdx.y} * channels + c) * 2;
    to[0] = factor;
    to[1] = norm_bias[c] - static_cast<float>(mean) * factor;
  }
}

}  // namespace

std::size_t group_parts(std::size_t pixels_of_image, std::size_t channels) {
  return parts_of_sum(pixels_of_image, rows_of_sum(channels));
}

void group_norm_affine(const DeviceAffine& norm, std::size_t channels, const PixelGrid& grid,
                       Precision precision, const void* x, float* parts, float* affine,
                       cudaStream_t stream) {
  check_shape(grid, channels);
  if (channels % peaknet_groups != 0) {
    throw std::invalid_argument("channels that are no multiple of 32 groups");
  }
  const std::size_t rows = rows_of_sum(channels);
  const std::size_t across = divisor_up_to(channels / piece_channels, threads);
  const std::size_t count = group_parts(grid.of_image(), channels);
  const auto images = static_cast<unsigned>(grid.images);
  const dim3 size(static_cast<unsigned>(count),
                  static_cast<unsigned>(channels / piece_channels / across), images);
  const std::size_t bytes = rows * across * 2 * piece_channels * sizeof(float);
  const auto pixels = static_cast<int>(grid.of_image());
  with_type(precision, [&](auto type) {
    using T = decltype(type);
    sum_channels<<<size, dim3(static_cast<unsigned>(across), static_cast<unsigned>(rows)), bytes,
                   stream>>>(static_cast<const T*>(x), parts, static_cast<int>(channels), pixels);
    check(cudaPeekAtLastError(), "launch of sum_channels");
  });
  make_affine<<<dim3(peaknet_groups / affine_warps, images), affine_warps * warp, 0, stream>>>(
      parts, norm.weight, norm.bias, affine, static_cast<int>(channels), static_cast<int>(count),
      pixels);
  check(cudaPeekAtLastError(), "launch of make_affine");
}

}  // namespace pnflow
