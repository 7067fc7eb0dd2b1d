#include <bit>

#include "gpu/peaknet_cuda/hopper.cuh"
#include "gpu/peaknet_cuda/hopper_kernels.h"

namespace pnflow {

namespace {

using namespace device;

using Matrix = Panels<64>;
using Bf16 = __nv_bfloat16;

constexpr int tile_rows = static_cast<int>(tile_pixels);
constexpr int warps = warpgroup / warp;

// How a block works: each of its warpgroups has `columns` of the slab of outputs whose weights lie
// in shared memory, and `buffers` tiles of x are there or under way.
template <int channels_, int columns_, int groups, int buffers_, int blocks_>
struct WideShape {
  static constexpr int channels = channels_, columns = columns_, buffers = buffers_;
  static constexpr int blocks = blocks_;  // at once on a processor
  static constexpr int threads = groups * warpgroup;
  static constexpr int outputs = 4 * channels;
  static constexpr int slab = groups * columns;
  static constexpr int slabs = outputs / slab;
  static constexpr int pieces = channels / static_cast<int>(piece_channels);
  static constexpr int weight_bytes = slab * channels * 2;
  static constexpr int tile_bytes = tile_rows * channels * 2;
  static constexpr int bytes =
      static_cast<int>(Matrix::alignment) + weight_bytes + buffers * tile_bytes;
  static_assert(buffers == 1 || buffers == 2);
  static_assert(outputs % slab == 0 && columns % 32 == 0 && channels % 32 == 0);
  static_assert(tile_rows * pieces % threads == 0 && weight_bytes % Matrix::alignment == 0);
  // A processor has 228 KiB, a block 227 KiB, of which CUDA takes 1 KiB.
  static_assert(blocks * (bytes + 1024 + (warps + 1) * slab * 4) <= 228 * 1024);
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

// A block keeps the weights of a slab of outputs in shared memory and marches through tiles of 64
// pixels: their product, then bias, GELU, squares and the store from registers while the next tiles
// come. The squares stay in registers until a part of the image ends: one multiplication and
// addition for each value is what the sums cost. Rows behind an image's end are those of its last
// pixel, and neither stored nor added.
// Traffic: x and h once (x once for each slab from the second-level cache): 10 bytes a value of x.
// .0522, .0261, .0130 ms for the base model's first three stages at 4.24 TB/s; the product, at 815
// TFLOP/s, takes .0208 each. The prototype (sums added atomically, weights halved) took .0706,
// .049, .0438.
// grid: slabs x workers, each of which has as many parts as the others, or one less.
template <class Shape>
__global__ void __launch_bounds__(Shape::threads, Shape::blocks)
    multiply_gelu(const Bf16* __restrict__ x, const Bf16* __restrict__ weight,
                  const Bf16* __restrict__ bias, Bf16* __restrict__ h, float* __restrict__ parts,
                  WideJob job) {
  constexpr int columns = Shape::columns;
  constexpr int own = columns / 4;  // outputs that a thread has
  extern __shared__ unsigned char memory[];
  __shared__ __align__(16) float half_bias[Shape::slab];
  __shared__ float sums_of_warps[warps][Shape::slab];
  const std::uint32_t weights = (shared_address(memory) + Matrix::alignment - 1) &
                                ~static_cast<std::uint32_t>(Matrix::alignment - 1);
  const std::uint32_t tiles = weights + Shape::weight_bytes;

  const int thread = static_cast<int>(threadIdx.x);
  const int group = thread / warpgroup;
  const int warp_of_group = thread % warpgroup / warp;
  const int lane = thread % warp;
  const int quarter = lane % 4;
  const int slab = static_cast<int>(blockIdx.x) % Shape::slabs;

  // The next `left` tiles are this worker's; copying is ahead by what is in the buffers.
  const std::size_t worker = blockIdx.x / Shape::slabs;
  const std::size_t workers = gridDim.x / Shape::slabs;
  const std::size_t all_parts = static_cast<std::size_t>(job.images) * job.parts;
  const auto first_of = [&](std::size_t part) -> TileAt {
    const auto image = static_cast<int>(part / job.parts);
    return {image, (static_cast<int>(part) - image * job.parts) << job.part_bits};
  };
  TileAt at = first_of(all_parts * worker / workers);
  const TileAt end = first_of(all_parts * (worker + 1) / workers);
  int left = (end.image - at.image) * job.tiles + end.tile - at.tile;
  TileAt to_copy = at;
  int left_to_copy = left;
  const auto copy_tile = [&](std::uint32_t to) {
    if (left_to_copy > 0) {
      const int last = job.pixels - to_copy.first_row() - 1;
      const Bf16* from = x + to_copy.pixel(job) * Shape::channels;
#pragma unroll
      for (int i = 0; i < tile_rows * Shape::pieces / Shape::threads; ++i) {
        const int row = (i * Shape::threads + thread) / Shape::pieces;
        const int piece = (i * Shape::threads + thread) % Shape::pieces;
        copy_piece(to + Matrix::offset(tile_rows, row, piece),
                   from + min(row, last) * Shape::channels + piece * 8);
      }
      --left_to_copy;
      to_copy.advance(job);
    }
    end_copies();
  };

#pragma unroll 1
  for (int i = thread; i < Shape::slab * Shape::pieces; i += Shape::threads) {
    const int row = i / Shape::pieces;
    const int piece = i % Shape::pieces;
    const int output = slab * Shape::slab + output_of(row);
    copy_piece(weights + Matrix::offset(Shape::slab, row, piece),
               weight + output * Shape::channels + piece * 8);
  }
#pragma unroll
  for (int i = 0; i < Shape::buffers; ++i) {  // the weights belong to the first group of copies
    copy_tile(tiles + static_cast<std::uint32_t>(i * Shape::tile_bytes));
  }
  if (thread < Shape::slab) {
    half_bias[thread] = 0.5F * __bfloat162float(bias[slab * Shape::slab + thread]);
  }

  float squares[own] = {};
  std::uint32_t buffer = tiles;
#pragma unroll 1
  for (; left > 0; --left, at.advance(job)) {
    float sums[columns / 2];
    await_copies<Shape::buffers - 1>();
    show_to_products();
    __syncthreads();
    begin_products();
#pragma unroll
    for (int step = 0; step < Shape::channels / 16; ++step) {
      multiply(sums, Matrix::columns(buffer, tile_rows, 0, step),
               Matrix::columns(weights, Shape::slab, group * columns, step), step > 0);
    }
    finish_products(sums);
    __syncthreads();
    copy_tile(buffer);
    if constexpr (Shape::buffers == 2) buffer = tiles + (tiles + Shape::tile_bytes - buffer);

    const int row = warp_of_group * 16 + lane / 4;
    const int rows = job.pixels - at.first_row();
    Bf16* const to = h + (at.pixel(job) + row) * Shape::outputs + slab * Shape::slab +
                     group * columns + quarter * 8;
#pragma unroll
    for (int g = 0; g < columns / 32; ++g) {
      const Eight half = unpack(load(half_bias + group * columns + 32 * g + quarter * 8));
#pragma unroll
      for (int lower = 0; lower < 2; ++lower) {
        if (row + 8 * lower >= rows) continue;
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

    if (!at.ends_part(job)) continue;
#pragma unroll
    for (int g = 0; g < columns / 32; ++g) {
      sums_of_warps[warp_of_group][group * columns + 32 * g + quarter * 8 + lane / 4] =
          sum_of_eight(squares + 8 * g, lane);
    }
#pragma unroll
    for (int i = 0; i < own; ++i) squares[i] = 0;
    __syncthreads();
    if (thread < Shape::slab) {
      float sum = 0;
#pragma unroll
      for (int i = 0; i < warps; ++i) sum += sums_of_warps[i][thread];
      const std::size_t part =
          static_cast<std::size_t>(at.image) * job.parts + (at.tile >> job.part_bits);
      parts[part * Shape::outputs + slab * Shape::slab + thread] = sum;
    }
  }
}

template <class Shape>
void launch(const PixelGrid& grid, const void* x, const void* weight, const void* bias, void* h,
            float* parts, cudaStream_t stream) {
  static_assert(wide_gelu_takes(Shape::channels) && Shape::slab <= Shape::threads);
  const ImageTiles cut = image_tiles(grid.of_image());
  const WideJob job{static_cast<int>(grid.images), static_cast<int>(grid.of_image()),
                    static_cast<int>(cut.tiles), static_cast<int>(cut.parts),
                    std::countr_zero(cut.of_part)};
  const std::size_t workers = std::clamp<std::size_t>(
      static_cast<std::size_t>(attribute_of_device(cudaDevAttrMultiProcessorCount) * Shape::blocks /
                               Shape::slabs),
      1, grid.images * cut.parts);
  check(cudaFuncSetAttribute(multiply_gelu<Shape>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             Shape::bytes),
        "cudaFuncSetAttribute of multiply_gelu");
  multiply_gelu<Shape>
      <<<static_cast<unsigned>(workers * Shape::slabs), Shape::threads, Shape::bytes, stream>>>(
          static_cast<const Bf16*>(x), static_cast<const Bf16*>(weight),
          static_cast<const Bf16*>(bias), static_cast<Bf16*>(h), parts, job);
  check(cudaPeekAtLastError(), "launch of multiply_gelu");
}

}  // namespace

void wide_gelu(std::size_t channels, const PixelGrid& grid, const void* x, const void* weight,
               const void* bias, void* h, float* parts, cudaStream_t stream) {
  // As many warpgroups as the registers allow, and two tiles of x where they fit: a block that is
  // alone on its processor has fewer columns for them.
  switch (channels) {
    case 96: return launch<WideShape<96, 96, 2, 2, 2>>(grid, x, weight, bias, h, parts, stream);
    case 192: return launch<WideShape<192, 96, 2, 1, 2>>(grid, x, weight, bias, h, parts, stream);
    case 352: return launch<WideShape<352, 64, 2, 2, 1>>(grid, x, weight, bias, h, parts, stream);
    case 384: return launch<WideShape<384, 64, 2, 2, 1>>(grid, x, weight, bias, h, parts, stream);
    default: throw std::invalid_argument("channels that wide_gelu() does not take");
  }
}

}  // namespace pnflow
