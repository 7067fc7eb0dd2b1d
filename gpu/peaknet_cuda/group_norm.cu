#include "gpu/peaknet/peaknet_config.h"
#include "gpu/peaknet_cuda/bilinear.cuh"
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
// pixels of 256 channels in bfloat16 (4.24 TB/s), where the prototype took .0259, part of it coming
// from the second-level cache.
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

// GELU(factor x + summand) of 8 channels.
template <class T>
__device__ __forceinline__ Eight activated(const Packed<T>& packed, const float* affine) {
  Eight values = unpack(packed);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float4 two = __ldg(reinterpret_cast<const float4*>(affine) + i);
    values.v[2 * i] = gelu<T>(fmaf(values.v[2 * i], two.x, two.y));
    values.v[2 * i + 1] = gelu<T>(fmaf(values.v[2 * i + 1], two.z, two.w));
  }
  return values;
}

constexpr int tile_width = 8;
constexpr int tile_height = 4;
constexpr std::size_t tile_channels = 256;

// A block has a tile of 8x4 pixels and those about it, of up to 256 channels: GELU once for each
// value, neighbours through shared memory. Traffic: x once (and the tile's edges once more, which
// the caches catch), the output once: 5 values a value of x; .0087 ms at 120x120 pixels of 256
// channels in bfloat16 (4.24 TB/s), where the prototype took .0147.
// grid: (tiles across, tiles down, images x slices of channels).
template <class T>
__global__ void __launch_bounds__(threads)
    gelu_upsample(const T* __restrict__ x, const float* __restrict__ affine, T* __restrict__ out,
                  int height, int width, int channels, int slices) {
  extern __shared__ __align__(16) unsigned char memory[];
  const int all_pieces = channels / static_cast<int>(piece_channels);
  const int most_pieces = static_cast<int>(tile_channels / piece_channels);
  const int slice = static_cast<int>(blockIdx.z) % slices;
  const std::size_t image = blockIdx.z / static_cast<unsigned>(slices);
  const int pieces = min(most_pieces, all_pieces - slice * most_pieces);
  const int piece = static_cast<int>(threadIdx.x) % pieces;
  const int worker = static_cast<int>(threadIdx.x) / pieces;
  const int workers = threads / pieces;
  const int channel = (slice * most_pieces + piece) * static_cast<int>(piece_channels);
  const int left = static_cast<int>(blockIdx.x) * tile_width;
  const int top = static_cast<int>(blockIdx.y) * tile_height;
  constexpr int wide = tile_width + 2;
  auto* const tile = reinterpret_cast<T*>(memory);  // [tile_height + 2][wide][pieces][8]
  const auto at = [&](int row, int column) {
    return tile + ((row * wide + column) * pieces + piece) * static_cast<int>(piece_channels);
  };
  if (worker < workers) {
    for (int i = worker; i < (tile_height + 2) * wide; i += workers) {
      const int y = min(max(top - 1 + i / wide, 0), height - 1);
      const int from_x = min(max(left - 1 + i % wide, 0), width - 1);
      const std::size_t from =
          ((image * height + y) * width + from_x) * static_cast<std::size_t>(channels) + channel;
      store(at(i / wide, i % wide),
            activated(load_constant(x + from), affine + (image * channels + channel) * 2));
    }
  }
  __syncthreads();
  if (worker >= workers) return;
  for (int i = worker; i < 4 * tile_height * tile_width; i += workers) {
    const int row = i / (2 * tile_width);
    const int column = i % (2 * tile_width);
    const int y = 2 * top + row;
    const int to_x = 2 * left + column;
    if (y >= 2 * height || to_x >= 2 * width) continue;
    // The upper and left one of the four pixels about it, and how much of them is in it.
    const int upper = (row + 1) / 2;
    const int before = (column + 1) / 2;
    const float of_upper = row % 2 == 1 ? 0.75F : 0.25F;
    const float of_before = column % 2 == 1 ? 0.75F : 0.25F;
    const Eight a = unpack(load(at(upper, before)));
    const Eight b = unpack(load(at(upper, before + 1)));
    const Eight c = unpack(load(at(upper + 1, before)));
    const Eight d = unpack(load(at(upper + 1, before + 1)));
    Eight sum;
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const float above = of_before * a.v[k] + (1 - of_before) * b.v[k];
      const float below = of_before * c.v[k] + (1 - of_before) * d.v[k];
      sum.v[k] = of_upper * above + (1 - of_upper) * below;
    }
    store(out + ((image * 2 * height + y) * 2 * width + to_x) * static_cast<std::size_t>(channels) +
              channel,
          sum);
  }
}

// Some lanes to a pixel; each score is a sum over them. Traffic: x once and 4 bytes a score; .0280
// ms at 480x480 pixels of 256 channels in bfloat16 with one score (4.24 TB/s), where the prototype
// took .0332. Many scores are bound by their sums. grid: (pixels, images).
template <class T, int pieces>
__global__ void __launch_bounds__(threads)
    score_pixels(const T* __restrict__ x, const float* __restrict__ affine,
                 const float* __restrict__ weight, float* __restrict__ out, int pixels,
                 int channels, int lanes, int scores) {
  constexpr int together = pieces >= 3 ? 1 : 4 / pieces;
  const LaneChannels<pieces> mine(lanes, channels);
  const std::size_t image = blockIdx.y;
  const int groups = threads / lanes;
  const int first =
      (static_cast<int>(blockIdx.x) * groups + static_cast<int>(threadIdx.x) / lanes) * together;
  const T* from = x + image * pixels * channels;
  Packed<T> packed[together][pieces] = {};
#pragma unroll
  for (int j = 0; j < together; ++j) {
#pragma unroll
    for (int k = 0; k < pieces; ++k) {
      if (first + j >= pixels || !mine.has(k)) continue;
      packed[j][k] =
          load_constant(from + static_cast<std::size_t>(first + j) * channels + mine.channel(k));
    }
  }
  Eight values[together][pieces] = {};
#pragma unroll
  for (int k = 0; k < pieces; ++k) {
    if (!mine.has(k)) continue;
#pragma unroll
    for (int j = 0; j < together; ++j) {
      values[j][k] = activated(packed[j][k], affine + (image * channels + mine.channel(k)) * 2);
    }
  }
  for (int s = 0; s < scores; ++s) {
    float sums[together] = {};
#pragma unroll
    for (int k = 0; k < pieces; ++k) {
      if (!mine.has(k)) continue;
      const Eight w =
          load_floats(weight + static_cast<std::size_t>(s) * channels + mine.channel(k));
#pragma unroll
      for (int j = 0; j < together; ++j) {
#pragma unroll
        for (int i = 0; i < 8; ++i) sums[j] = fmaf(w.v[i], values[j][k].v[i], sums[j]);
      }
    }
#pragma unroll
    for (int j = 0; j < together; ++j) {
      sums[j] = sum_over(sums[j], lanes);
      if (mine.lane == 0 && first + j < pixels) {
        out[(image * pixels + first + j) * scores + s] = sums[j];
      }
    }
  }
}

void check_groups(const PixelGrid& grid, std::size_t channels) {
  check_shape(grid, channels);
  if (channels % peaknet_groups != 0) {
    throw std::invalid_argument("channels that are no multiple of 32 groups");
  }
}

}  // namespace

std::size_t group_parts(std::size_t pixels_of_image, std::size_t channels) {
  return parts_of_sum(pixels_of_image, rows_of_sum(channels));
}

void group_norm_affine(const DeviceAffine& norm, std::size_t channels, const PixelGrid& grid,
                       Precision precision, const void* x, float* parts, float* affine,
                       cudaStream_t stream) {
  check_groups(grid, channels);
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

void gelu_up(const float* affine, std::size_t channels, const PixelGrid& grid, Precision precision,
             const void* x, void* out, cudaStream_t stream) {
  check_groups(grid, channels);
  const unsigned slices = blocks(channels, tile_channels);
  const dim3 size(blocks(grid.width, tile_width), blocks(grid.height, tile_height),
                  static_cast<unsigned>(grid.images) * slices);
  with_type(precision, [&](auto type) {
    using T = decltype(type);
    const std::size_t bytes =
        (tile_height + 2) * (tile_width + 2) * std::min(channels, tile_channels) * sizeof(T);
    allow_shared_memory(gelu_upsample<T>);
    gelu_upsample<<<size, threads, bytes, stream>>>(
        static_cast<const T*>(x), affine, static_cast<T*>(out), static_cast<int>(grid.height),
        static_cast<int>(grid.width), static_cast<int>(channels), static_cast<int>(slices));
    check(cudaPeekAtLastError(), "launch of gelu_upsample");
  });
}

void gelu_scores(const float* affine, std::size_t channels, std::size_t scores, const float* weight,
                 const PixelGrid& grid, Precision precision, const void* x, float* out,
                 cudaStream_t stream) {
  check_groups(grid, channels);
  with_type(precision, [&](auto type) {
    using T = decltype(type);
    with_pieces(channels, [&](auto pieces) {
      constexpr std::size_t together = pieces >= 3 ? 1 : 4 / pieces;
      const int lanes = pixel_lanes(channels).lanes;
      const std::size_t each = threads / static_cast<std::size_t>(lanes) * together;
      const dim3 size(blocks(grid.of_image(), each), static_cast<unsigned>(grid.images));
      score_pixels<T, pieces><<<size, threads, 0, stream>>>(
          static_cast<const T*>(x), affine, weight, out, static_cast<int>(grid.of_image()),
          static_cast<int>(channels), lanes, static_cast<int>(scores));
      check(cudaPeekAtLastError(), "launch of score_pixels");
    });
  });
}

}  // namespace pnflow
