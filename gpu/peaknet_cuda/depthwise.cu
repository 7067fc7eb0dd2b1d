#include <cuda_fp16.h>

#include "gpu/peaknet_cuda/device.cuh"

namespace pnflow {

namespace {

using namespace device;

constexpr int window = 7;
constexpr int reach = window / 2;
constexpr int norm_pieces = 3;  // 24 channels to a lane
constexpr int most_threads = 384;
constexpr std::size_t most_fused_channels = std::size_t{2} * most_threads;
constexpr std::size_t general_threads = 192;

// ---------------------------------------------------------------- two channels

struct FloatPair {
  float2 v;
  __device__ static FloatPair of(float2 values) { return {values}; }
  __device__ float2 values() const { return v; }
  __device__ void add_product(const FloatPair& a, const FloatPair& b) {
    v.x = fmaf(a.v.x, b.v.x, v.x);
    v.y = fmaf(a.v.y, b.v.y, v.y);
  }
};

struct HalfPair {
  __half2 v;
  __device__ static HalfPair of(float2 values) { return {__float22half2_rn(values)}; }
  __device__ float2 values() const { return __half22float2(v); }
  __device__ void add_product(const HalfPair& a, const HalfPair& b) { v = __hfma2(a.v, b.v, v); }
};

// As they lie in memory.
__device__ __forceinline__ float2 widened(float2 pair) { return pair; }
__device__ __forceinline__ float2 widened(unsigned pair) {
  return make_float2(__uint_as_float(pair << 16U), __uint_as_float(pair & 0xffff0000U));
}
template <class T>
struct PairInMemory {
  using Type = unsigned;
  __device__ static Type of(float2 values) { return packed_pair(values.x, values.y); }
};
template <>
struct PairInMemory<float> {
  using Type = float2;
  __device__ static Type of(float2 values) { return values; }
};

// ---------------------------------------------------------------- the kernel

struct Strips {
  int height, width;
  int channels;      // of a pixel
  int pairs;         // of channels, that a block has: all of them where it normalises
  int side_by_side;  // columns of threads in a block
  int rows;          // that a block works through
  int across;        // blocks side by side in an image
  int norm_lanes;    // to a pixel
};

// Channels of the base model have a kernel of their own, whose offsets are constants.
constexpr int threads_for(int channels) { return channels == 768 || channels == 0 ? 384 : 192; }
constexpr int least_blocks_for(int channels) { return threads_for(channels) == 384 ? 1 : 2; }

// Normalises the pixels of a ring of 7 rows in shared memory, [7][columns][channels].
template <class T>
__device__ void normalise_ring(const unsigned char* shared, const Strips& strips, int channels,
                               int columns, int first_row, int first_column, int begin, int end,
                               T* out) {
  const LaneChannels<norm_pieces> mine(strips.norm_lanes, channels);
  const int threads = static_cast<int>(blockDim.x);
  const int jobs = window * columns * strips.norm_lanes;
#pragma unroll 1
  for (int job = static_cast<int>(threadIdx.x); job < (jobs + threads - 1) / threads * threads;
       job += threads) {
    const int pixel = job < jobs ? job / strips.norm_lanes : 0;
    const int y = first_row + pixel / columns;
    const int x = first_column + pixel % columns;
    Eight values[norm_pieces] = {};
#pragma unroll
    for (int k = 0; k < norm_pieces; ++k) {
      if (!mine.has(k)) continue;
      const T* from = reinterpret_cast<const T*>(shared) + pixel * channels + mine.channel(k);
      values[k] = unpack(load(from));
    }
    const float scale = mine.centre(values, channels);
    if (job >= jobs || y < begin || y >= end || x >= strips.width) continue;
    T* to = out + (static_cast<std::size_t>(y) * strips.width + x) * channels;
#pragma unroll
    for (int k = 0; k < norm_pieces; ++k) {
      if (!mine.has(k)) continue;
#pragma unroll
      for (int i = 0; i < 8; ++i) values[k].v[i] *= scale;
      store(to + mine.channel(k), values[k]);
    }
  }
}

// A thread has two channels of `columns` neighbouring columns and marches down the rows: the 49
// weights and 7 rows of sums stay in registers, each input row is read once for a strip, and the
// first-level cache catches what neighbours share. A finished row goes through shared memory in T,
// to which an unfused network rounds as well, and is normalised from there.
// Rows of a block that are 1 mod 7 waste nothing but the 6 rows of overlap. The loop over the ring
// must stay rolled: unrolled twice it no longer fits the instruction cache.
// Traffic: x and the output once, 4 bytes a value in bfloat16: .021, .010, .005, .003 ms for the
// base model's stages at 4.24 TB/s. Bound by multiplications: .032, .016, .008, .004 ms for float32
// sums; the prototype took .084, .050, .026, .0156 with float32, .0513, .0298, .0160, .0094 with
// float16 sums.
// grid: (blocks side by side x slices of channels, strips, images).
template <int fixed_channels, int columns, class T, class Pair, bool norm>
__global__ void __launch_bounds__(threads_for(fixed_channels), least_blocks_for(fixed_channels))
    depthwise(const T* __restrict__ x, const float* __restrict__ weight,
              const float* __restrict__ bias, T* __restrict__ out, Strips strips) {
  extern __shared__ __align__(16) unsigned char shared[];
  using Memory = PairInMemory<T>;
  using Raw = typename Memory::Type;
  const int pairs = fixed_channels > 0 ? fixed_channels / 2 : strips.pairs;
  const int all_pairs = fixed_channels > 0 ? fixed_channels / 2 : strips.channels / 2;
  const int threads = pairs * strips.side_by_side;  // that convolve
  const bool works = fixed_channels > 0 || static_cast<int>(threadIdx.x) < threads;
  const int thread = works ? static_cast<int>(threadIdx.x) : 0;
  const int slice = norm ? 0 : static_cast<int>(blockIdx.x) / strips.across;
  const int pair = slice * pairs + thread % pairs;
  const int side = thread / pairs;
  const int wide = columns * strips.side_by_side;
  const int first_column = (static_cast<int>(blockIdx.x) - slice * strips.across) * wide;
  const int column = first_column + side * columns;
  const int begin = static_cast<int>(blockIdx.y) * strips.rows;
  const int end = min(begin + strips.rows, strips.height);
  const std::size_t image = std::size_t{blockIdx.z} * strips.height * strips.width * all_pairs * 2;

  Pair weights[window * window];
#pragma unroll
  for (int i = 0; i < window * window; ++i) {
    weights[i] = Pair::of(__ldg(reinterpret_cast<const float2*>(weight) + i * all_pairs + pair));
  }
  const Pair start = Pair::of(__ldg(reinterpret_cast<const float2*>(bias) + pair));
  unsigned inside = 0;  // a bit for each column that is in the image
#pragma unroll
  for (int i = 0; i < columns + 2 * reach; ++i) {
    const int at = column + i - reach;
    inside |= static_cast<unsigned>(works && at >= 0 && at < strips.width)
              << static_cast<unsigned>(i);
  }
  const std::ptrdiff_t row_pairs = static_cast<std::ptrdiff_t>(strips.width) * all_pairs;
  const Raw* row = reinterpret_cast<const Raw*>(x + image) +
                   (static_cast<std::ptrdiff_t>(column - reach) * all_pairs + pair) +
                   (begin - reach) * row_pairs;
  Pair sums[window][columns];
#pragma unroll
  for (int i = 0; i < window; ++i) {
#pragma unroll
    for (int t = 0; t < columns; ++t) sums[i][t] = start;
  }
  Raw next[columns + 2 * reach];
  const auto read = [&](int y) {
    const unsigned there = y >= 0 && y < strips.height ? inside : 0U;
#pragma unroll
    for (int j = 0; j < columns + 2 * reach; ++j) {
      next[j] = (there >> static_cast<unsigned>(j) & 1U) != 0 ? __ldg(row + j * all_pairs) : Raw{};
    }
    row += row_pairs;
  };
  read(begin - reach);
#pragma unroll 1
  for (int y = begin - reach; y < end + reach; y += window) {
    // Input rows y to y + 6 finish output rows y - 3 to y + 3.
#pragma unroll
    for (int i = 0; i < window; ++i) {
      Pair in[columns + 2 * reach];
#pragma unroll
      for (int j = 0; j < columns + 2 * reach; ++j) in[j] = Pair::of(widened(next[j]));
      read(y + i + 1);
#pragma unroll
      for (int ky = 0; ky < window; ++ky) {
#pragma unroll
        for (int kx = 0; kx < window; ++kx) {
#pragma unroll
          for (int t = 0; t < columns; ++t) {
            sums[(i - ky + window) % window][t].add_product(weights[ky * window + kx], in[t + kx]);
          }
        }
      }
#pragma unroll
      for (int t = 0; t < columns; ++t) {
        Pair& sum = sums[(i + 1) % window][t];  // ky = 6: output row y + i - 3 is complete
        const Raw done = Memory::of(sum.values());
        sum = start;
        if constexpr (norm) {
          if (works) {
            reinterpret_cast<Raw*>(shared)[(i * wide + side * columns + t) * pairs + pair] = done;
          }
        } else {
          const int to = y + i - reach;
          if (works && to >= begin && to < end && column + t < strips.width) {
            reinterpret_cast<Raw*>(out + image)[to * row_pairs + (column + t) * all_pairs + pair] =
                done;
          }
        }
      }
    }
    if constexpr (norm) {
      __syncthreads();
      normalise_ring<T>(shared, strips, 2 * pairs, wide, y - reach, first_column, begin, end,
                        out + image);
      __syncthreads();
    }
  }
}

// ---------------------------------------------------------------- launches

template <int fixed_channels, int columns, class T, class Pair, bool norm>
void launch(const DeviceAffine& linear, std::size_t channels, const PixelGrid& grid, const void* x,
            void* out, cudaStream_t stream) {
  const std::size_t pairs = norm ? channels / 2 : divisor_up_to(channels / 2, general_threads);
  const std::size_t slices = channels / 2 / pairs;
  std::size_t side_by_side = static_cast<std::size_t>(threads_for(fixed_channels)) / pairs;
  if (fixed_channels == 0) {
    side_by_side = std::min<std::size_t>(std::max<std::size_t>(1, general_threads / pairs),
                                         blocks(grid.width, columns));
  }
  const std::size_t threads = (pairs * side_by_side + warp - 1) / warp * warp;
  const std::size_t across = blocks(grid.width, columns * side_by_side);
  int processors = 0;
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device),
        "cudaDeviceGetAttribute");
  const std::size_t at_once =
      static_cast<std::size_t>(processors) * least_blocks_for(fixed_channels);
  const std::size_t rows = strip_rows(grid.height, across * slices * grid.images, at_once);
  const std::size_t bytes = norm ? window * columns * side_by_side * channels * sizeof(T) : 0;
  const Strips strips{static_cast<int>(grid.height),  static_cast<int>(grid.width),
                      static_cast<int>(channels),     static_cast<int>(pairs),
                      static_cast<int>(side_by_side), static_cast<int>(rows),
                      static_cast<int>(across),       static_cast<int>(lanes_of_three(channels))};
  const auto kernel = depthwise<fixed_channels, columns, T, Pair, norm>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(bytes)),
        "cudaFuncSetAttribute of depthwise");
  const dim3 size(static_cast<unsigned>(across * slices), blocks(grid.height, rows),
                  static_cast<unsigned>(grid.images));
  kernel<<<size, static_cast<unsigned>(threads), bytes, stream>>>(
      static_cast<const T*>(x), linear.weight, linear.bias, static_cast<T*>(out), strips);
  check(cudaPeekAtLastError(), "launch of depthwise");
}

template <int columns, class T, class Pair>
void choose(const DeviceAffine& linear, std::size_t channels, const PixelGrid& grid, const void* x,
            void* out, cudaStream_t stream) {
  switch (channels) {
    case 96: return launch<96, columns, T, Pair, true>(linear, channels, grid, x, out, stream);
    case 192: return launch<192, columns, T, Pair, true>(linear, channels, grid, x, out, stream);
    case 384: return launch<384, columns, T, Pair, true>(linear, channels, grid, x, out, stream);
    case 768: return launch<768, columns, T, Pair, true>(linear, channels, grid, x, out, stream);
    default: break;
  }
  if (channels <= most_fused_channels) {
    return launch<0, columns, T, Pair, true>(linear, channels, grid, x, out, stream);
  }
  // More channels than a block has registers for: the norm is a pass of its own.
  launch<0, columns, T, Pair, false>(linear, channels, grid, x, out, stream);
  const Precision precision = std::is_same_v<T, float> ? Precision::float32 : Precision::bfloat16;
  normalise(channels, grid, precision, out, out, nullptr, stream);
}

}  // namespace

void depthwise_norm(const DeviceAffine& linear, std::size_t channels, const PixelGrid& grid,
                    DepthwiseSums sums, Precision precision, const void* x, void* out,
                    cudaStream_t stream) {
  if (channels == 0 || channels % piece_channels != 0 || channels > most_channels) {
    throw std::invalid_argument("channels that are no multiple of 8 up to 3072");
  }
  with_type(precision, [&](auto type) {
    using T = decltype(type);
    if constexpr (std::is_same_v<T, __nv_bfloat16>) {
      if (sums == DepthwiseSums::float16) {
        return choose<4, T, HalfPair>(linear, channels, grid, x, out, stream);
      }
    } else if (sums == DepthwiseSums::float16) {
      throw std::invalid_argument("float16 sums of float32 activations");
    }
    choose<2, T, FloatPair>(linear, channels, grid, x, out, stream);
  });
}

}  // namespace pnflow
