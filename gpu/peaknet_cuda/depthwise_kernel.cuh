#pragma once

#include "gpu/peaknet_cuda/channel_pairs.cuh"
#include "gpu/peaknet_cuda/device.cuh"

namespace pnflow::device {

constexpr int window = 7;
constexpr int reach = window / 2;
constexpr int norm_pieces = 3;  // 24 channels to a lane
constexpr int most_threads = 384;

struct Strips {
  int height, width;
  int channels;      // of a pixel
  int pairs;         // of channels, that a block has: all of them where it normalises
  int side_by_side;  // columns of threads in a block
  int rows;          // that a block works through
  int across;        // blocks side by side in an image
  int norm_lanes;    // to a pixel
};

// Sums of float16 that become too large are marked by image, and those images computed once more.
struct Range {
  unsigned* exceeded;           // of each image, where it is marked
  const unsigned* only_images;  // that are marked; nullptr: all
};

// Channels of the base model have a kernel of their own, whose offsets are constants.
constexpr int threads_for(int channels) { return channels == 768 || channels == 0 ? 384 : 192; }
constexpr int least_blocks_for(int channels) { return threads_for(channels) == 384 ? 1 : 2; }
constexpr int side_by_side_for(int channels) { return threads_for(channels) / (channels / 2); }

// Normalises the pixels of a ring of 7 rows in shared memory, [7][columns][channels]. Whether all
// of them are finite.
template <class T>
__device__ __forceinline__ bool normalise_ring(const unsigned char* shared, const Strips& strips,
                                               int channels, int lanes, int threads, int columns,
                                               int first_row, int first_column, int begin, int end,
                                               T* out) {
  const LaneChannels<norm_pieces> mine(lanes, channels);
  const int jobs = window * columns * lanes;
  bool finite = true;
#pragma unroll 1
  for (int job = static_cast<int>(threadIdx.x); job < (jobs + threads - 1) / threads * threads;
       job += threads) {
    const int pixel = job < jobs ? job / lanes : 0;
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
    finite &= scale == scale;  // a pixel with a value that is not has a NaN
    T* to = out + (static_cast<std::size_t>(y) * strips.width + x) * channels;
#pragma unroll
    for (int k = 0; k < norm_pieces; ++k) {
      if (!mine.has(k)) continue;
#pragma unroll
      for (int i = 0; i < 8; ++i) values[k].v[i] *= scale;
      store(to + mine.channel(k), values[k]);
    }
  }
  return finite;
}

// A thread has two channels of `columns` neighbouring columns and marches down the rows: the 49
// weights and 7 rows of sums stay in registers, each input row is read once for a strip, and the
// first-level cache catches what neighbours share. A finished row goes through shared memory in T,
// to which an unfused network rounds as well, and is normalised from there.
// Rows of a block that are 1 mod 7 waste nothing but the 6 rows of overlap. The loop over the ring
// must stay rolled: unrolled twice it no longer fits the instruction cache.
// Traffic: x and the output once, 4 bytes a value in bfloat16: .0293, .0147, .0073, .0037 ms for
// the base model's stages at an H100's 3.02 TB/s. It takes .0558, .0292, .0154, .0097 with float16
// and .0857, .0456, .0234, .0143 with float32 sums: bound by instructions, of which half are the 49
// multiplications for each pair of values, in the few warps that registers leave room for.
// grid: (blocks side by side x slices of channels, strips, images).
template <int fixed_channels, int columns, class T, class Pair, bool norm>
__global__ void __launch_bounds__(threads_for(fixed_channels), least_blocks_for(fixed_channels))
    depthwise(const T* __restrict__ x, const float* __restrict__ weight,
              const float* __restrict__ bias, T* __restrict__ out, Strips strips, Range range) {
  extern __shared__ __align__(16) unsigned char shared[];
  if (range.only_images && range.only_images[blockIdx.z] == 0) return;
  using Memory = PairInMemory<T>;
  using Raw = typename Memory::Type;
  constexpr bool fixed = fixed_channels > 0;
  const int pairs = fixed ? fixed_channels / 2 : strips.pairs;
  const int all_pairs = fixed ? fixed_channels / 2 : strips.channels / 2;
  const int side_by_side =
      fixed ? side_by_side_for(fixed_channels > 0 ? fixed_channels : 2) : strips.side_by_side;
  const int norm_lanes =
      fixed ? static_cast<int>(lanes_of_three(fixed_channels)) : strips.norm_lanes;
  const int threads = pairs * side_by_side;  // that convolve
  const bool works = fixed || static_cast<int>(threadIdx.x) < threads;
  const int thread = works ? static_cast<int>(threadIdx.x) : 0;
  const int slice = norm ? 0 : static_cast<int>(blockIdx.x) / strips.across;
  const int pair = slice * pairs + thread % pairs;
  const int side = thread / pairs;
  const int wide = columns * side_by_side;
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
  bool in_range = true;
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
      for (int j = 0; j < columns + 2 * reach; ++j) in[j] = Memory::template read<Pair>(next[j]);
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
        const Raw done = Memory::write(sum);
        if constexpr (norm) {
          if (works) {
            reinterpret_cast<Raw*>(shared)[(i * wide + side * columns + t) * pairs + pair] = done;
          }
        } else {
          const int to = y + i - reach;
          if (works && to >= begin && to < end && column + t < strips.width) {
            if constexpr (Pair::limited) in_range &= sum.in_range();
            reinterpret_cast<Raw*>(out + image)[to * row_pairs + (column + t) * all_pairs + pair] =
                done;
          }
        }
        sum = start;
      }
    }
    if constexpr (norm) {
      __syncthreads();
      in_range &= normalise_ring<T>(shared, strips, 2 * pairs, norm_lanes,
                                    fixed ? threads : static_cast<int>(blockDim.x), wide, y - reach,
                                    first_column, begin, end, out + image);
      __syncthreads();
    }
  }
  if constexpr (Pair::limited) {
    if (!in_range) atomicOr(range.exceeded + blockIdx.z, 1U);
  }
}

}  // namespace pnflow::device
