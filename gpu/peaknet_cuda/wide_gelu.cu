#include <bit>

#include "gpu/peaknet_cuda/hopper.cuh"
#include "gpu/peaknet_cuda/hopper_kernels.h"
#include "gpu/peaknet_cuda/tile_map.h"

namespace pnflow {

namespace {

using namespace device;

using Matrix = Panels<64>;
using Bf16 = __nv_bfloat16;

constexpr int tile_rows = static_cast<int>(tile_pixels);
constexpr int warps = warpgroup / warp;

// How a block works: the weights of `columns` outputs lie in its shared memory, and each of its
// warpgroups has `buffers` tiles of x there or under way.
template <int channels_, int columns_, int groups_, int buffers_, int blocks_>
struct WideShape {
  static constexpr int channels = channels_, columns = columns_, groups = groups_;
  static constexpr int buffers = buffers_;
  static constexpr int blocks = blocks_;  // at once on a processor
  static constexpr int threads = groups * warpgroup;
  static constexpr int outputs = 4 * channels;
  static constexpr int slabs = outputs / columns;
  static constexpr int pieces = channels / static_cast<int>(piece_channels);
  static constexpr int weight_bytes = columns * channels * 2;
  static constexpr int tile_bytes = tile_rows * channels * 2;
  // Behind the matrices, in shared memory too: half the bias, sums of each warp, barriers.
  static constexpr int first_float = weight_bytes + groups * buffers * tile_bytes;
  static constexpr int first_barrier = first_float + (groups * warps + 1) * columns * 4;
  static constexpr int bytes = first_barrier + groups * buffers * 8;
  static_assert(buffers == 1 || buffers == 2);
  static_assert(outputs % columns == 0 && columns % 32 == 0 && columns <= warpgroup);
  static_assert(channels % 32 == 0);
  static_assert(weight_bytes % Matrix::alignment == 0 && tile_bytes % Matrix::alignment == 0);
  // A processor has 228 KiB, a block 227 KiB, and CUDA takes 1 KiB of each block.
  static_assert(blocks * (bytes + 1024) <= 228 * 1024);
};

// The pixels, tiles and parts of an image are those of image_tiles().
struct WideJob {
  int images, pixels, tiles, parts;
  int part_bits;  // 2^part_bits tiles to a part
};

// A tile of all images' tiles.
struct TileAt {
  int image, tile;

  __device__ void advance(const WideJob& job) {
    if (++tile < job.tiles) return;
    tile = 0;
    ++image;
  }
  __device__ int first_row() const { return tile * tile_rows; }
  __device__ bool ends_part(const WideJob& job) const {
    const int mask = (1 << job.part_bits) - 1;
    return (tile & mask) == mask || tile + 1 == job.tiles;
  }
  // Of the tile's first pixel.
  __device__ std::size_t pixel(const WideJob& job) const {
    return static_cast<std::size_t>(image) * job.pixels + first_row();
  }
};

// x Phi(x) of x = 2 h: as gelu(), with one operation less.
__device__ __forceinline__ float gelu_of_twice(float h) {
  const float z = fminf(h * h, 9.0F);
  const float p = fmaf(fmaf(-1.124756144e-2F, z, 2.960437072e-1F), z, 1.595016174F);
  float tanh_of = 0;
  asm("tanh.approx.f32 %0, %1;" : "=f"(tanh_of) : "f"(h * p));
  return fmaf(h, tanh_of, h);
}

// The sums over the 8 lanes with the same lane % 4; lane / 4 says whose sum is returned. Always in
// the same order.
__device__ __forceinline__ float sum_of_eight(const float* values, int lane) {
  float four[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const bool upper = (lane & 16) != 0;
    const float other = __shfl_xor_sync(~0U, upper ? values[i] : values[i + 4], 16);
    four[i] = (upper ? values[i + 4] : values[i]) + other;
  }
  float two[2];
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const bool upper = (lane & 8) != 0;
    const float other = __shfl_xor_sync(~0U, upper ? four[i] : four[i + 2], 8);
    two[i] = (upper ? four[i + 2] : four[i]) + other;
  }
  const bool upper = (lane & 4) != 0;
  const float other = __shfl_xor_sync(~0U, upper ? two[0] : two[1], 4);
  return (upper ? two[1] : two[0]) + other;
}

// A block keeps the weights of a slab of outputs in shared memory. Each of its warpgroups marches
// through tiles of 64 pixels by itself: their product, then bias, GELU, squares and the store from
// registers while its next tiles come and the other warpgroups multiply. The squares stay in
// registers until a part of the image ends: one multiplication and addition for each value is what
// the sums cost. Rows behind an image's end, which are pixels of the next one, are neither stored
// nor added.
// Traffic: x and h once (x once for each slab from the second-level cache): 10 bytes a value of x.
// .0733, .0367, .0183 ms for the base model's first three stages at an H100's 3.02 TB/s; the
// product takes .0233 each at its 729 TFLOP/s. It takes .0841, .0473, .0334; with sums added
// atomically, and warpgroups that share a tile, a prototype took .0843, .0495, .0448.
// grid: slabs x blocks for each; the warpgroups of a slab have as many parts as the others, or one
// less.
template <class Shape>
__global__ void __launch_bounds__(Shape::threads, Shape::blocks)
    multiply_gelu(const __grid_constant__ CUtensorMap x, const Bf16* __restrict__ weight,
                  const Bf16* __restrict__ bias, Bf16* __restrict__ h, float* __restrict__ parts,
                  WideJob job) {
  constexpr int columns = Shape::columns;
  constexpr int own = columns / 4;  // outputs that a thread has
  // Nothing else is in shared memory, which begins at a multiple of 1024 bytes then: there is no
  // room to spare for more.
  extern __shared__ __align__(1024) unsigned char memory[];
  const int group = static_cast<int>(threadIdx.x) / warpgroup;
  const int thread = static_cast<int>(threadIdx.x) % warpgroup;  // of the group
  const int warp_of_group = thread / warp;
  const int lane = thread % warp;
  const int quarter = lane % 4;
  const int slab = static_cast<int>(blockIdx.x) % Shape::slabs;
  const std::uint32_t weights = shared_address(memory);
  if (weights % Matrix::alignment != 0) __trap();
  const std::uint32_t tiles =
      weights + Shape::weight_bytes + group * Shape::buffers * Shape::tile_bytes;
  auto* const half_bias = reinterpret_cast<float*>(memory + Shape::first_float);
  float* const sums_of_warps = half_bias + (1 + group * warps) * columns;  // [warps][columns]

  // The next `left` tiles are this worker's; copying is ahead by what is in the buffers.
  const std::size_t worker = blockIdx.x / Shape::slabs * Shape::groups + group;
  const std::size_t workers = gridDim.x / Shape::slabs * Shape::groups;
  const std::size_t all_parts = static_cast<std::size_t>(job.images) * job.parts;
  const auto first_of = [&](std::size_t part) -> TileAt {
    const auto image = static_cast<int>(part / job.parts);
    return {image, (static_cast<int>(part) - image * job.parts) << job.part_bits};
  };
  TileAt at = first_of(all_parts * worker / workers);
  const TileAt end = first_of(all_parts * (worker + 1) / workers);
  int left = (end.image - at.image) * job.tiles + end.tile - at.tile;
  TileAt next = at;  // to be copied
  int left_to_copy = left;
  const std::uint32_t barriers = weights + Shape::first_barrier + group * Shape::buffers * 8;
  const auto copy_next = [&](int buffer) {
    if (left_to_copy > 0) {
      if (thread == 0) {
        copy_tile(tiles + buffer * Shape::tile_bytes, x, static_cast<int>(next.pixel(job)),
                  Shape::tile_bytes, barriers + buffer * 8);
      }
      --left_to_copy;
      next.advance(job);
    }
  };

#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < columns * Shape::pieces; i += Shape::threads) {
    const int row = i / Shape::pieces;
    const int piece = i % Shape::pieces;
    const int output = slab * columns + output_of(row);
    copy_piece(weights + Matrix::offset(columns, row, piece),
               weight + output * Shape::channels + piece * 8);
  }
  if (group == 0 && thread < columns) {
    half_bias[thread] = 0.5F * __bfloat162float(bias[slab * columns + thread]);
  }
  if (thread == 0) {
#pragma unroll
    for (int i = 0; i < Shape::buffers; ++i) make_tile_barrier(barriers + i * 8);
  }
  await_pieces();
  show_to_products();
  __syncthreads();
#pragma unroll
  for (int i = 0; i < Shape::buffers; ++i) copy_next(i);

  float squares[own] = {};
  int turns = 0;  // a bit for each buffer
  int buffer = 0;
#pragma unroll 1
  for (; left > 0; --left, at.advance(job)) {
    float sums[columns / 2];
    await_tile(barriers + buffer * 8, turns >> buffer & 1);
    turns ^= 1 << buffer;
    const std::uint32_t tile = tiles + buffer * Shape::tile_bytes;
    begin_products();
#pragma unroll
    for (int step = 0; step < Shape::channels / 16; ++step) {
      multiply(sums, Matrix::columns(tile, tile_rows, step),
               Matrix::columns(weights, columns, step), step > 0);
    }
    finish_products(sums);
    sync_warpgroup(group);  // the tile is free when all warps are here
    copy_next(buffer);
    if constexpr (Shape::buffers == 2) buffer ^= 1;

    const int row = warp_of_group * 16 + lane / 4;
    const int rows = job.pixels - at.first_row();
    Bf16* const to = h + (at.pixel(job) + row) * Shape::outputs + slab * columns + quarter * 8;
    const auto finish = [&](auto whole) {  // whether all of the tile's rows are in the image
#pragma unroll
      for (int g = 0; g < columns / 32; ++g) {
        const Eight half = unpack(load(half_bias + 32 * g + quarter * 8));
#pragma unroll
        for (int lower = 0; lower < 2; ++lower) {
          if (!whole && row + 8 * lower >= rows) continue;
          Eight values;
#pragma unroll
          for (int i = 0; i < 8; ++i) {
            const float sum = sums[4 * (4 * g + i / 2) + 2 * lower + i % 2];
            values.v[i] = gelu_of_twice(fmaf(sum, 0.5F, half.v[i]));
            squares[8 * g + i] = fmaf(values.v[i], values.v[i], squares[8 * g + i]);
          }
          store(to + 8 * lower * Shape::outputs + 32 * g, values);
        }
      }
    };
    if (rows >= tile_rows) {
      finish(std::true_type());
    } else {
      finish(std::false_type());
    }

    if (!at.ends_part(job)) continue;
#pragma unroll
    for (int g = 0; g < columns / 32; ++g) {
      sums_of_warps[warp_of_group * columns + 32 * g + quarter * 8 + lane / 4] =
          sum_of_eight(squares + 8 * g, lane);
    }
#pragma unroll
    for (int i = 0; i < own; ++i) squares[i] = 0;
    sync_warpgroup(group);
    if (thread < columns) {
      float sum = 0;
#pragma unroll
      for (int i = 0; i < warps; ++i) sum += sums_of_warps[i * columns + thread];
      const std::size_t part =
          static_cast<std::size_t>(at.image) * job.parts + (at.tile >> job.part_bits);
      parts[part * Shape::outputs + slab * columns + thread] = sum;
    }
  }
}

template <class Shape>
void launch(const PixelGrid& grid, const void* x, const void* weight, const void* bias, void* h,
            float* parts, cudaStream_t stream) {
  static_assert(wide_gelu_takes(Shape::channels));
  check_shape(grid, Shape::channels);
  const ImageTiles cut = image_tiles(grid.of_image());
  const WideJob job{static_cast<int>(grid.images), static_cast<int>(grid.of_image()),
                    static_cast<int>(cut.tiles), static_cast<int>(cut.parts),
                    std::countr_zero(cut.of_part)};
  const std::size_t blocks_of_slab = std::clamp<std::size_t>(
      static_cast<std::size_t>(attribute_of_device(cudaDevAttrMultiProcessorCount) * Shape::blocks /
                               Shape::slabs),
      1, blocks(grid.images * cut.parts, Shape::groups));
  check(cudaFuncSetAttribute(multiply_gelu<Shape>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             Shape::bytes),
        "cudaFuncSetAttribute of multiply_gelu");
  multiply_gelu<Shape><<<static_cast<unsigned>(blocks_of_slab * Shape::slabs), Shape::threads,
                         Shape::bytes, stream>>>(
      tile_map(x, grid.all(), Shape::channels, tile_rows), static_cast<const Bf16*>(weight),
      static_cast<const Bf16*>(bias), static_cast<Bf16*>(h), parts, job);
  check(cudaPeekAtLastError(), "launch of multiply_gelu");
}

}  // namespace

void wide_gelu(std::size_t channels, const PixelGrid& grid, const void* x, const void* weight,
               const void* bias, void* h, float* parts, cudaStream_t stream) {
  // Of what registers and shared memory leave room for, the fastest on an H100; 352 as 384.
  switch (channels) {
    case 96: return launch<WideShape<96, 96, 2, 2, 1>>(grid, x, weight, bias, h, parts, stream);
    case 192: return launch<WideShape<192, 128, 1, 1, 3>>(grid, x, weight, bias, h, parts, stream);
    case 352: return launch<WideShape<352, 128, 2, 1, 1>>(grid, x, weight, bias, h, parts, stream);
    case 384: return launch<WideShape<384, 128, 2, 1, 1>>(grid, x, weight, bias, h, parts, stream);
    default: throw std::invalid_argument("channels that wide_gelu() does not take");
  }
}

}  // namespace pnflow
