#include "gpu/peaknet_cuda/bifpn_means.cuh"
#include "gpu/peaknet_cuda/hopper.cuh"
#include "gpu/peaknet_cuda/hopper_kernels.h"

namespace pnflow {

namespace {

using namespace device;
using namespace device::bifpn;

using Matrix = Panels<128>;

constexpr int groups = 3;  // warpgroups of a block, each with a tile of its own
constexpr int threads = groups * warpgroup;
constexpr int tile_rows = tile_side * tile_side;
constexpr int weight_bytes = channels * channels * 2;
constexpr int tile_bytes = tile_rows * channels * 2;
constexpr int shared_bytes =
    static_cast<int>(Matrix::alignment) + weight_bytes + groups * tile_bytes;
static_assert(warps == warpgroup / warp);
constexpr int norm_bytes = 2 * channels * 2;             // in shared memory too
static_assert(shared_bytes + norm_bytes <= 227 * 1024);  // what a block may have

struct NodeMap {
  int images, height, width;
  int at_once;  // tiles of a block
};

// x Phi(x) of x = 2 h, as gelu() has it, in float16. h h and h p may become infinite, which is as
// good as large; h tanh + h must not: |h| is less than 32752.
__device__ __forceinline__ __half2 gelu_of_twice(__half2 h) {
  const auto both = [](float value) { return __float2half2_rn(value); };
  const __half2 z = __hmin2(__hmul2(h, h), both(9.0F));
  const __half2 p =
      __hfma2(__hfma2(both(-1.124756144e-2F), z, both(2.960437072e-1F)), z, both(1.595016174F));
  unsigned tanh_of = 0;
  asm("tanh.approx.f16x2 %0, %1;" : "=r"(tanh_of) : "r"(word_of(__hmul2(h, p))));
  return __hfma2(h, half_pair(tanh_of), h);
}

// -mean / deviation and 1 / deviation of rows `lower` of the sums that 4 lanes have. In one pass:
// fold_node() has taken the mean off, but for what rounding its weights leaves.
struct Norm {
  float scale, shift;

  __device__ Norm(const float (&sums)[channels / 2], int lower) {
    float sum = 0;
    float squares = 0;
#pragma unroll
    for (int j = 0; j < channels / 8; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const float value = sums[4 * j + 2 * lower + e];
        sum += value;
        squares = fmaf(value, value, squares);
      }
    }
    const float mean = sum_over(sum, 4) / channels;
    const float variance = fmaf(-mean, mean, sum_over(squares, 4) / channels);
    scale = rsqrtf(fmaxf(variance, 0.0F) + layer_norm_eps);
    shift = -mean * scale;
  }
};

// The weights stay in shared memory. Each of the three warpgroups of a block fuses its own tile of
// 8x8 pixels into shared memory, multiplies, and has LayerNorm, GELU and + p in registers; while
// one of them waits for memory another one computes.
// Traffic: p, the output and the other level once; p a second time, and neighbours, from the
// caches. On the way up 9 values for each of the deeper level's: .0880, .0220, .0055 ms at 480x480,
// 240x240 and 120x120 pixels (an H100's 3.02 TB/s), where it takes .1370, .0351, .0106 and three
// kernels .288, .074, .020. On the way down 7 values for each of the output's: .0684, .0171 ms at
// 240x240 and 120x120, where it takes .0872, .0237 and three kernels .118, .031. 21 instructions
// for each value on the way up; a third of the time warps wait for what they read.
// grid: as many blocks as there are processors.
template <bool down>
__global__ void __launch_bounds__(threads, 1)
    fuse_multiply_norm(NodeInputs in, const Bf16* __restrict__ weight,
                       const float* __restrict__ norm_weight, const float* __restrict__ norm_bias,
                       Bf16* __restrict__ out, NodeMap all, Shares shares) {
  extern __shared__ unsigned char memory[];
  __shared__ __align__(16) __half2 factors[channels / 2];
  __shared__ __align__(16) __half2 summands[channels / 2];
  const std::uint32_t start = shared_address(memory);
  const std::uint32_t weights =
      (start + Matrix::alignment - 1) & ~static_cast<std::uint32_t>(Matrix::alignment - 1);
  unsigned char* const matrix = memory + (weights - start);

  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < channels * warp; i += threads) {
    const Packed<Bf16> piece =
        load_constant(weight + output_of(i / warp) * channels + i % warp * 8);
    *reinterpret_cast<Packed<Bf16>*>(matrix + Matrix::offset(channels, i / warp, i % warp)) = piece;
  }
  if (thread < channels / 2) {
    const auto halves = [thread](const float* from) {
      return __floats2half2_rn(0.5F * from[2 * thread], 0.5F * from[2 * thread + 1]);
    };
    factors[thread] = halves(norm_weight);
    summands[thread] = halves(norm_bias);
  }
  show_to_products();
  __syncthreads();

  const int group = thread / warpgroup;
  if (group >= all.at_once) return;
  const std::uint32_t fused = weights + weight_bytes + group * tile_bytes;
#pragma unroll 1
  for (unsigned i = blockIdx.x * all.at_once + group;; i += gridDim.x * all.at_once) {
    const MapSize map{recomputed(all.height), recomputed(all.width)};
    const int in_group = recomputed(thread % warpgroup);
    const int warp_of_group = in_group / warp;
    const int lane = in_group % warp;
    const int quarter = lane % 4;
    const auto store_fused = [&](int row, const Pairs& values) {
      *reinterpret_cast<Pairs*>(matrix + weight_bytes + group * tile_bytes +
                                Matrix::offset(tile_rows, row, lane)) = values;
    };
    const auto across = static_cast<unsigned>(map.width + tile_side - 1) / tile_side;
    const auto of_image = static_cast<unsigned>(map.height + tile_side - 1) / tile_side * across;
    const unsigned image = i / of_image;
    if (image >= static_cast<unsigned>(all.images)) break;
    const unsigned in_image = i - image * of_image;
    const unsigned above = in_image / across;
    const std::size_t pixels = static_cast<std::size_t>(map.height) * map.width;
    const Tile tile{static_cast<int>(above * tile_side),
                    static_cast<int>((in_image - above * across) * tile_side), image * pixels,
                    down ? image * pixels * 4 : image * (pixels / 4)};
    if constexpr (down) {
      fuse_down(in, shares, map, tile, warp_of_group, lane, store_fused);
    } else {
      fuse_up(in, shares, map, tile, warp_of_group, lane, store_fused);
    }
    show_to_products();
    sync_warpgroup(group);
    float sums[channels / 2];
    begin_products();
#pragma unroll
    for (int k = 0; k < channels / 16; ++k) {
      multiply(sums, Matrix::columns(fused, tile_rows, k), Matrix::columns(weights, channels, k),
               k > 0);
    }
    finish_products(sums);
    sync_warpgroup(group);  // the tile is free when all warps are here

    const Norm norms[2] = {Norm(sums, 0), Norm(sums, 1)};
    const int x = tile.left + lane / 4;
    const int y = tile.top + 2 * warp_of_group;
    const bool inside[2] = {x < map.width && y < map.height, x < map.width && y + 1 < map.height};
    std::size_t at[2];  // of p; beyond the edges, of any pixel
#pragma unroll
    for (int lower = 0; lower < 2; ++lower) {
      const int pixel = min(y + lower, map.height - 1) * map.width + min(x, map.width - 1);
      at[lower] = (tile.first + pixel) * channels + quarter * 8;
    }
#pragma unroll
    for (int g = 0; g < channels / 32; ++g) {
      const int pair = 16 * g + 4 * quarter;
      const auto factor = *reinterpret_cast<const uint4*>(factors + pair);
      const auto summand = *reinterpret_cast<const uint4*>(summands + pair);
      const unsigned factor_words[4] = {factor.x, factor.y, factor.z, factor.w};
      const unsigned summand_words[4] = {summand.x, summand.y, summand.z, summand.w};
#pragma unroll
      for (int lower = 0; lower < 2; ++lower) {
        Eight sum = unpack(load_constant(in.p + at[lower] + 32 * g));
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          const float* const product = sums + 4 * (4 * g + k) + 2 * lower;
          const __half2 z =
              __floats2half2_rn(fmaf(product[0], norms[lower].scale, norms[lower].shift),
                                fmaf(product[1], norms[lower].scale, norms[lower].shift));
          const float2 values = __half22float2(
              gelu_of_twice(__hfma2(z, half_pair(factor_words[k]), half_pair(summand_words[k]))));
          sum.v[2 * k] += values.x;
          sum.v[2 * k + 1] += values.y;
        }
        if (inside[lower]) store(out + at[lower] + 32 * g, sum);
      }
    }
  }
}

template <bool down>
void launch(const NodeInputs& in, const Shares& shares, const DeviceAffine& norm,
            const PixelGrid& grid, const void* weight, void* out, cudaStream_t stream) {
  check_shape(grid, channels);
  if (grid.of_image() >= most_node_pixels) throw std::invalid_argument("images that are too large");
  const std::size_t tiles =
      grid.images * blocks(grid.height, tile_side) * blocks(grid.width, tile_side);
  const auto processors =
      static_cast<std::size_t>(attribute_of_device(cudaDevAttrMultiProcessorCount));
  // Few tiles are spread over all processors.
  const std::size_t at_once = std::min<std::size_t>(blocks(tiles, processors), groups);
  const auto size =
      static_cast<unsigned>(std::min<std::size_t>(blocks(tiles, at_once), processors));
  const NodeMap map{static_cast<int>(grid.images), static_cast<int>(grid.height),
                    static_cast<int>(grid.width), static_cast<int>(at_once)};
  check(cudaFuncSetAttribute(fuse_multiply_norm<down>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             shared_bytes),
        "cudaFuncSetAttribute of fuse_multiply_norm");
  fuse_multiply_norm<down>
      <<<size, threads, shared_bytes, stream>>>(in, static_cast<const Bf16*>(weight), norm.weight,
                                                norm.bias, static_cast<Bf16*>(out), map, shares);
  check(cudaPeekAtLastError(), "launch of fuse_multiply_norm");
}

}  // namespace

void bifpn_node_up(const float (&shares)[2], const DeviceAffine& norm, const PixelGrid& deeper_grid,
                   const void* weight, const void* p, const void* deeper, void* out,
                   cudaStream_t stream) {
  launch<false>({static_cast<const Bf16*>(p), nullptr, static_cast<const Bf16*>(deeper)},
                {shares[0], 0, shares[1]}, norm,
                {deeper_grid.images, 2 * deeper_grid.height, 2 * deeper_grid.width}, weight, out,
                stream);
}

void bifpn_node_down(const float (&shares)[3], const DeviceAffine& norm, const PixelGrid& grid,
                     const void* weight, const void* p, const void* m, const void* shallower,
                     void* out, cudaStream_t stream) {
  launch<true>({static_cast<const Bf16*>(p), static_cast<const Bf16*>(m),
                static_cast<const Bf16*>(shallower)},
               {shares[0], shares[1], shares[2]}, norm, grid, weight, out, stream);
}

}  // namespace pnflow
