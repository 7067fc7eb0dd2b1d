#include "gpu/peaknet_cuda/bilinear.cuh"
#include "gpu/peaknet_cuda/hopper.cuh"
#include "gpu/peaknet_cuda/hopper_kernels.h"

namespace pnflow {

namespace {

using namespace device;

using Matrix = Panels<128>;
using Bf16 = __nv_bfloat16;

constexpr int channels = 256;
constexpr int pieces = channels / static_cast<int>(piece_channels);  // one for each lane
constexpr int groups = 3;  // warpgroups of a block, each with a tile of its own
constexpr int threads = groups * warpgroup;
constexpr int tile_side = 8;
constexpr int tile_rows = tile_side * tile_side;
constexpr int warps = warpgroup / warp;
constexpr int weight_bytes = channels * channels * 2;
constexpr int tile_bytes = tile_rows * channels * 2;
constexpr int shared_bytes =
    static_cast<int>(Matrix::alignment) + weight_bytes + groups * tile_bytes;
static_assert(pieces == warp);
static_assert(shared_bytes + 2 * channels * 4 <= 227 * 1024);  // what a block may have

struct NodeMap {
  int images, height, width;
  int at_once;  // tiles of a block
};

struct Shares {
  float p, m, other;
};

struct NodeInputs {
  const Bf16* p;
  const Bf16* m;      // of a node on the way down
  const Bf16* other;  // the deeper or the shallower level
};

// A tile of 8x8 pixels in an image; some of them may be beyond its edges.
struct Tile {
  int top, left;
  std::size_t first;        // of the image's pixels
  std::size_t first_other;  // of the other level's
};

// Calls store(row of the tile, values) for the fused values of this lane's 8 channels. On the way
// up a warp has a cell of 2x2 pixels, on the way down a pixel; those beyond the edges are as good
// as any. The whole read of a cell, and of several pixels, is under way before any of it is used.
template <class Store>
__device__ __forceinline__ void fuse_up(const NodeInputs& in, const Shares& shares,
                                        const NodeMap& map, const Tile& tile, int first, int lane,
                                        const Store& store) {
  const int height = map.height / 2;
  const int width = map.width / 2;
  const Bf16* const p = in.p + tile.first * channels + lane * 8;
  const Bf16* const deeper = in.other + tile.first_other * channels + lane * 8;
#pragma unroll 2
  for (int cell = first; cell < tile_rows / 4; cell += warps) {
    const int cell_y = cell / (tile_side / 2);
    const int cell_x = cell % (tile_side / 2);
    const int y = min(tile.top / 2 + cell_y, height - 1);
    const int x = min(tile.left / 2 + cell_x, width - 1);
    Packed<Bf16> own[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      own[i] = load_constant(p + ((2 * y + i / 2) * map.width + 2 * x + i % 2) * channels);
    }
    Packed<Bf16> about[3][3];
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      const int row = min(max(y + i - 1, 0), height - 1);
#pragma unroll
      for (int j = 0; j < 3; ++j) {
        const int column = min(max(x + j - 1, 0), width - 1);
        about[i][j] = load_constant(deeper + (row * width + column) * channels);
      }
    }
    Eight up[4];
    upsample_middle([&](int i, int j) { return unpack(about[i][j]); }, up);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      store((2 * cell_y + i / 2) * tile_side + 2 * cell_x + i % 2,
            fuse_pixel(shares.p, own[i], shares.other, up[i]));
    }
  }
}

template <class Store>
__device__ __forceinline__ void fuse_down(const NodeInputs& in, const Shares& shares,
                                          const NodeMap& map, const Tile& tile, int first, int lane,
                                          const Store& store) {
  const Bf16* const p = in.p + tile.first * channels + lane * 8;
  const Bf16* const m = in.m + tile.first * channels + lane * 8;
  const Bf16* const shallower = in.other + tile.first_other * channels + lane * 8;
#pragma unroll 4
  for (int row = first; row < tile_rows; row += warps) {
    const int y = min(tile.top + row / tile_side, map.height - 1);
    const int x = min(tile.left + row % tile_side, map.width - 1);
    const int at = (y * map.width + x) * channels;
    const Packed<Bf16> packed_p = load_constant(p + at);
    const Packed<Bf16> packed_m = load_constant(m + at);
    Packed<Bf16> packed[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      packed[i] =
          load_constant(shallower + ((2 * y + i / 2) * 2 * map.width + 2 * x + i % 2) * channels);
    }
    store(row, fuse_pixel(shares.p, packed_p, shares.m, packed_m, shares.other, packed));
  }
}

// -mean / deviation and 1 / deviation of rows `lower` of the sums that 4 lanes have.
struct Norm {
  float scale, shift;

  __device__ Norm(const float (&sums)[channels / 2], int lower) {
    float mean = 0;
#pragma unroll
    for (int j = 0; j < channels / 8; ++j) {
      mean += sums[4 * j + 2 * lower] + sums[4 * j + 2 * lower + 1];
    }
    mean = sum_over(mean, 4) / channels;
    float squares = 0;
#pragma unroll
    for (int j = 0; j < channels / 8; ++j) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const float off = sums[4 * j + 2 * lower + e] - mean;
        squares = fmaf(off, off, squares);
      }
    }
    scale = rsqrtf(sum_over(squares, 4) / channels + layer_norm_eps);
    shift = -mean * scale;
  }
};

// The weights stay in shared memory. Each of the three warpgroups of a block fuses its own tile of
// 8x8 pixels into shared memory, multiplies, and has LayerNorm, GELU and + p in registers; while
// one of them waits for memory another one computes.
// Traffic: p, the output and the other level once; p a second time, and neighbours, from the
// caches. On the way up 9 values for each of the deeper level's: .0626, .0157, .0039 ms at 480x480,
// 240x240 and 120x120 pixels (4.24 TB/s), where the prototype took .181, .0427, .0111 and three
// kernels .225, .058, .016. On the way down 7 values for each of the output's: .0487, .0122 ms at
// 240x240 and 120x120, where the prototype took .0758, .0211 and three kernels .087, .023. Bound by
// instructions, 38 for each value in the prototype.
// grid: as many blocks as there are processors.
template <bool down>
__global__ void __launch_bounds__(threads, 1)
    fuse_multiply_norm(NodeInputs in, const Bf16* __restrict__ weight,
                       const float* __restrict__ norm_weight, const float* __restrict__ norm_bias,
                       Bf16* __restrict__ out, NodeMap all, Shares shares) {
  extern __shared__ unsigned char memory[];
  __shared__ __align__(16) float factors[channels];
  __shared__ __align__(16) float summands[channels];
  const std::uint32_t start = shared_address(memory);
  const std::uint32_t weights =
      (start + Matrix::alignment - 1) & ~static_cast<std::uint32_t>(Matrix::alignment - 1);
  unsigned char* const matrix = memory + (weights - start);

  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < channels * pieces; i += threads) {
    const Packed<Bf16> piece =
        load_constant(weight + output_of(i / pieces) * channels + i % pieces * 8);
    *reinterpret_cast<Packed<Bf16>*>(matrix + Matrix::offset(channels, i / pieces, i % pieces)) =
        piece;
  }
  for (int i = thread; i < channels; i += threads) {
    factors[i] = norm_weight[i];
    summands[i] = norm_bias[i];
  }
  show_to_products();
  __syncthreads();

  const int group = thread / warpgroup;
  if (group >= all.at_once) return;
  const std::uint32_t fused = weights + weight_bytes + group * tile_bytes;
#pragma unroll 1
  for (int i = static_cast<int>(blockIdx.x) * all.at_once + group;;
       i += static_cast<int>(gridDim.x) * all.at_once) {
    const NodeMap map{all.images, recomputed(all.height), recomputed(all.width), all.at_once};
    const int in_group = recomputed(thread % warpgroup);
    const int warp_of_group = in_group / warp;
    const int lane = in_group % warp;
    const int quarter = lane % 4;
    const auto store_fused = [&](int row, const Eight& values) {
      store(reinterpret_cast<Bf16*>(matrix + weight_bytes + group * tile_bytes +
                                    Matrix::offset(tile_rows, row, lane)),
            values);
    };
    const int across = (map.width + tile_side - 1) / tile_side;
    const int of_image = (map.height + tile_side - 1) / tile_side * across;
    const int image = i / of_image;
    if (image >= map.images) break;
    const std::size_t pixels = static_cast<std::size_t>(map.height) * map.width;
    const Tile tile{i % of_image / across * tile_side, i % of_image % across * tile_side,
                    image * pixels, down ? image * pixels * 4 : image * (pixels / 4)};
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
      multiply(sums, Matrix::columns(fused, tile_rows, 0, k),
               Matrix::columns(weights, channels, 0, k), k > 0);
    }
    finish_products(sums);
    sync_warpgroup(group);  // the tile is free when all warps are here

    const Norm norms[2] = {Norm(sums, 0), Norm(sums, 1)};
    const int x = tile.left + lane / 4;
    const int y = tile.top + 2 * warp_of_group;
    const std::size_t at =
        (tile.first + static_cast<std::size_t>(y) * map.width + x) * channels + quarter * 8;
#pragma unroll
    for (int g = 0; g < channels / 32; ++g) {
      const Eight factor = unpack(load(factors + 32 * g + quarter * 8));
      const Eight summand = unpack(load(summands + 32 * g + quarter * 8));
#pragma unroll
      for (int lower = 0; lower < 2; ++lower) {
        if (y + lower >= map.height || x >= map.width) continue;
        const std::size_t to = at + lower * map.width * channels + 32 * g;
        Eight sum = unpack(load_constant(in.p + to));
#pragma unroll
        for (int k = 0; k < 8; ++k) {
          const float z = fmaf(sums[4 * (4 * g + k / 2) + 2 * lower + k % 2], norms[lower].scale,
                               norms[lower].shift);
          sum.v[k] += gelu<Bf16>(fmaf(z, factor.v[k], summand.v[k]));
        }
        store(out + to, sum);
      }
    }
  }
}

template <bool down>
void launch(const NodeInputs& in, const Shares& shares, const DeviceAffine& norm,
            const PixelGrid& grid, const void* weight, void* out, cudaStream_t stream) {
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
