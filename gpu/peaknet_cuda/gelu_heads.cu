#include "gpu/peaknet_cuda/device.cuh"

namespace pnflow {

namespace {

using namespace device;

constexpr int threads = 256;

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
// channels in bfloat16 (an H200's 4.24 TB/s), where the prototype took .0147.
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
// ms at 480x480 pixels of 256 channels in bfloat16 with one score (an H200's 4.24 TB/s), where the
// prototype took .0332. Many scores are bound by their sums. grid: (pixels, images).
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

}  // namespace

void gelu_up(const float* affine, std::size_t channels, const PixelGrid& grid, Precision precision,
             const void* x, void* out, cudaStream_t stream) {
  check_shape(grid, channels);
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
  check_shape(grid, channels);
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