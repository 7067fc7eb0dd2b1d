#include "gpu/peaknet_cuda/device.cuh"

namespace pnflow {

namespace {

using namespace device;

constexpr int most_threads = 384;
constexpr int at_once = 4;  // pixels that a thread has in flight
constexpr int fold_threads = 256;
constexpr int fold_rows = 8;                                    // of the matrix, to a block
constexpr std::size_t most_inner_channels = 4 * most_channels;  // between a block's two matrices

// Threads side by side on a pixel's channels, and pixels side by side in a block.
struct SumShape {
  std::size_t across = 0, rows = 0;
};

SumShape sum_shape(std::size_t channels) {
  const std::size_t across = divisor_up_to(channels / piece_channels, most_threads);
  return {across, most_threads / across};
}

// A block adds up one part of an image for some channels; a thread has 8 of them and every
// parts * rows-th pixel. Traffic: h once, and once more where it is changed; .0418, .0209, .0104,
// .0052 ms for the base model's stages at an H200's 4.24 TB/s, where the prototype (with atomic
// additions) took .0475, .0255, .0153, .0092.
// grid: (parts, slices of channels, images); block: (across, rows).
template <class T, bool with_gelu>
__global__ void __launch_bounds__(most_threads)
    sum_squares(T* h, float* __restrict__ parts, int channels, int pixels) {
  extern __shared__ __align__(16) float shared[];  // [rows][across][8]
  const int across = static_cast<int>(blockDim.x);
  const int rows = static_cast<int>(blockDim.y);
  const int row = static_cast<int>(threadIdx.y);
  const int channel =
      static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x) * static_cast<int>(piece_channels);
  T* const image = h + std::size_t{blockIdx.z} * pixels * channels + channel;
  const int step = rows * static_cast<int>(gridDim.x);
  Eight sums = {};
  for (int first = static_cast<int>(blockIdx.x) * rows + row; first < pixels;
       first += at_once * step) {
    Packed<T> packed[at_once] = {};
#pragma unroll
    for (int j = 0; j < at_once; ++j) {
      const int pixel = first + j * step;
      if (pixel < pixels) packed[j] = load(image + static_cast<std::size_t>(pixel) * channels);
    }
#pragma unroll
    for (int j = 0; j < at_once; ++j) {
      Eight values = unpack(packed[j]);
      if constexpr (with_gelu) {
        const int pixel = first + j * step;
#pragma unroll
        for (int i = 0; i < 8; ++i) values.v[i] = gelu<T>(values.v[i]);
        if (pixel < pixels) store(image + static_cast<std::size_t>(pixel) * channels, values);
      }
#pragma unroll
      for (int i = 0; i < 8; ++i) sums.v[i] = fmaf(values.v[i], values.v[i], sums.v[i]);
    }
  }
  store(shared + (row * across + static_cast<int>(threadIdx.x)) * 8, sums);
  __syncthreads();
  if (row > 0) return;
  for (int r = 1; r < rows; ++r) {
    const Eight more = unpack(load(shared + (r * across + static_cast<int>(threadIdx.x)) * 8));
#pragma unroll
    for (int i = 0; i < 8; ++i) sums.v[i] += more.v[i];
  }
  store(parts + (std::size_t{blockIdx.z} * gridDim.x + blockIdx.x) * channels + channel, sums);
}

// responses = sqrt(the sum of an image's parts): a warp has 32 channels of every 8th part, and the
// first one adds up what the warps have. Traffic: the parts once, which is little; bound by waiting
// for them. grid: (channels / 32, images).
__global__ void __launch_bounds__(fold_threads)
    add_up_parts(const float* __restrict__ parts, float* __restrict__ responses, int channels,
                 int count) {
  constexpr int warps = fold_threads / warp;
  __shared__ float sums[warps][warp];
  const int lane = static_cast<int>(threadIdx.x) % warp;
  const int first = static_cast<int>(threadIdx.x) / warp;
  const int channel = static_cast<int>(blockIdx.x) * warp + lane;
  const float* from = parts + std::size_t{blockIdx.y} * count * channels + channel;
  float sum = 0;
  if (channel < channels) {
#pragma unroll 8
    for (int i = first; i < count; i += warps) {
      sum += from[static_cast<std::size_t>(i) * channels];
    }
  }
  sums[first][lane] = sum;
  __syncthreads();
  if (first > 0 || channel >= channels) return;
#pragma unroll
  for (int i = 1; i < warps; ++i) sum += sums[i][lane];
  responses[std::size_t{blockIdx.y} * channels + channel] = sqrtf(sum);
}

// Each block has the factors of all channels in shared memory and applies them to 8 rows of the
// matrix. Traffic: the matrix once (from the second-level cache for all images but one), the output
// once; the prototype took .0005 to .0025 ms an image. grid: (rows / 8, images).
template <class T>
__global__ void __launch_bounds__(fold_threads)
    scale_columns(const T* __restrict__ weight, const float* __restrict__ responses,
                  const float* __restrict__ response_weight, T* __restrict__ out, int channels,
                  int outputs) {
  extern __shared__ __align__(16) float factors[];  // [channels + warps]
  float* const sums = factors + channels;
  const int thread = static_cast<int>(threadIdx.x);
  const float* from = responses + std::size_t{blockIdx.y} * channels;
  float sum = 0;
  for (int c = thread; c < channels; c += fold_threads) {
    factors[c] = from[c];
    sum += factors[c];
  }
  sum = sum_over(sum, warp);
  if (thread % warp == 0) sums[thread / warp] = sum;
  __syncthreads();
  sum = 0;
  for (int i = 0; i < fold_threads / warp; ++i) sum += sums[i];
  const float share = 1 / (sum / static_cast<float>(channels) + 1e-6F);
  for (int c = thread; c < channels; c += fold_threads) {
    factors[c] = fmaf(response_weight[c], factors[c] * share, 1.0F);
  }
  __syncthreads();
  const int pieces = channels / static_cast<int>(piece_channels);
  const int first_row = static_cast<int>(blockIdx.x) * fold_rows;
  const int rows = min(fold_rows, outputs - first_row);
  for (int i = thread; i < rows * pieces; i += fold_threads) {
    const int channel = i % pieces * static_cast<int>(piece_channels);
    const std::size_t row = first_row + i / pieces;
    Eight values = unpack(load_constant(weight + row * channels + channel));
    const Eight factor = unpack(load(factors + channel));
#pragma unroll
    for (int k = 0; k < 8; ++k) values.v[k] *= factor.v[k];
    store(out + (std::size_t{blockIdx.y} * outputs + row) * channels + channel, values);
  }
}

}  // namespace

std::size_t response_parts(std::size_t pixels_of_image, std::size_t channels) {
  return parts_of_sum(pixels_of_image, sum_shape(channels).rows);
}

void response_sums(std::size_t channels, const PixelGrid& grid, Precision precision, bool gelu,
                   void* h, float* parts, cudaStream_t stream) {
  check_shape(grid, channels, most_inner_channels);
  const SumShape shape = sum_shape(channels);
  const dim3 size(static_cast<unsigned>(response_parts(grid.of_image(), channels)),
                  static_cast<unsigned>(channels / piece_channels / shape.across),
                  static_cast<unsigned>(grid.images));
  const dim3 threads(static_cast<unsigned>(shape.across), static_cast<unsigned>(shape.rows));
  const std::size_t bytes = shape.across * shape.rows * piece_channels * sizeof(float);
  with_type(precision, [&](auto type) {
    using T = decltype(type);
    const auto kernel = gelu ? sum_squares<T, true> : sum_squares<T, false>;
    kernel<<<size, threads, bytes, stream>>>(static_cast<T*>(h), parts, static_cast<int>(channels),
                                             static_cast<int>(grid.of_image()));
    check(cudaPeekAtLastError(), "launch of sum_squares");
  });
}

void fold_responses(std::size_t channels, std::size_t outputs, std::size_t images,
                    Precision precision, const float* parts, std::size_t count,
                    const float* response_weight, const void* weight, float* responses, void* out,
                    cudaStream_t stream) {
  check_shape({images, 1, 1}, channels, most_inner_channels);
  const auto down = static_cast<unsigned>(images);
  add_up_parts<<<dim3(blocks(channels, warp), down), fold_threads, 0, stream>>>(
      parts, responses, static_cast<int>(channels), static_cast<int>(count));
  check(cudaPeekAtLastError(), "launch of add_up_parts");
  const std::size_t bytes = (channels + fold_threads / warp) * sizeof(float);
  with_type(precision, [&](auto type) {
    using T = decltype(type);
    allow_shared_memory(scale_columns<T>);
    scale_columns<T><<<dim3(blocks(outputs, fold_rows), down), fold_threads, bytes, stream>>>(
        static_cast<const T*>(weight), responses, response_weight, static_cast<T*>(out),
        static_cast<int>(channels), static_cast<int>(outputs));
    check(cudaPeekAtLastError(), "launch of scale_columns");
  });
}

}  // namespace pnflow
