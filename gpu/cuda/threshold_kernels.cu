#include <cstdint>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/grid.h"
#include "gpu/cuda/threshold_kernels.h"

namespace pnflow {

namespace {

constexpr int max_radius = 15;
constexpr int strip_columns = 128;  // that a block answers for
constexpr int strip_rows = 64;
constexpr int strip_threads = strip_columns + 32;  // and the columns of the windows at its sides
static_assert(2 * max_radius <= strip_threads - strip_columns);
constexpr int threads = 256;
constexpr std::uint8_t lit_flag = 1;
constexpr std::uint8_t bright_flag = 2;

// The working arrays of a micro-batch, images one after the other.
struct Scratch {
  std::int32_t* values;  // in 1/128 ADU; 0 where not good
  std::uint8_t* good;
  std::uint8_t* counts;  // for the background
  std::uint8_t* next_counts;
  std::uint8_t* flags;
};

Scratch scratch_in(void* memory, std::size_t all_pixels) {
  auto* bytes = static_cast<std::uint8_t*>(memory);
  const auto part = [&](std::size_t i) { return bytes + (4 + i) * all_pixels; };
  return {static_cast<std::int32_t*>(memory), part(0), part(1), part(2), part(3)};
}

// grid: (pixels, images).
template <class T>
__global__ void __launch_bounds__(threads) quantise(RawImages raw, Scratch scratch) {
  const std::size_t pixels = raw.geometry.pixels();
  const std::size_t i = std::size_t{blockIdx.x} * threads + threadIdx.x;
  if (i >= pixels) return;
  const std::uint8_t* bad = raw.bad ? raw.bad[blockIdx.y] : nullptr;
  const T value = reinterpret_cast<const T*>(raw.pixels + blockIdx.y * raw.pitch)[i];
  const bool good = (!bad || bad[i] == 0) && ThresholdRule::finite(value);
  const std::size_t at = blockIdx.y * pixels + i;
  scratch.good[at] = scratch.counts[at] = good ? 1 : 0;
  scratch.values[at] = good ? ThresholdRule::quantised(value) : 0;
}

// One column of the window, as it slides down.
struct Column {
  std::int64_t sum = 0;
  std::uint64_t squares = 0;
  int count = 0;

  __device__ void add(std::int32_t value, std::uint8_t counts, int sign) {
    if (counts == 0) return;
    const std::int64_t v = value;
    sum += sign * v;
    squares += static_cast<std::uint64_t>(sign * (v * v));
    count += sign;
  }
};

// Calls `decide(pixel's index in the image, sums of its window)` for all pixels of a strip of an
// image. Each thread keeps the sums of a column; a pixel's are added up from 2 radius + 1 of them.
// grid: (strips across, strips down, images).
template <class Decide>
__device__ void slide_window(const std::int32_t* values, const std::uint8_t* counts,
                             const MapGeometry& geometry, int radius, const Decide& decide) {
  __shared__ std::int64_t sums[strip_threads];
  __shared__ std::uint64_t squares[strip_threads];
  __shared__ int numbers[strip_threads];
  const int height = static_cast<int>(geometry.height);
  const int width = static_cast<int>(geometry.width);
  const int thread = static_cast<int>(threadIdx.x);
  const int x = static_cast<int>(blockIdx.x) * strip_columns + thread - radius;
  const int first_row = static_cast<int>(blockIdx.y) * strip_rows;
  const int last_row = min(first_row + strip_rows, height);
  const bool inside = x >= 0 && x < width;
  Column column;
  const auto add = [&](int y, int sign) {
    if (!inside || y < 0 || y >= height) return;
    const std::size_t i = static_cast<std::size_t>(y) * width + x;
    column.add(values[i], counts[i], sign);
  };
  for (int y = first_row - radius; y < first_row + radius; ++y) add(y, 1);
  for (int y = first_row; y < last_row; ++y) {
    add(y + radius, 1);
    sums[thread] = column.sum;
    squares[thread] = column.squares;
    numbers[thread] = column.count;
    __syncthreads();
    const int middle = x + radius;  // the pixel that this thread answers for
    if (thread < strip_columns && middle < width) {
      WindowSums::Sums all{0, 0, 0};
      for (int k = thread; k <= thread + 2 * radius; ++k) {
        all.count += numbers[k];
        all.sum += sums[k];
        all.squares += squares[k];
      }
      decide(static_cast<std::size_t>(y) * width + middle, all);
    }
    __syncthreads();
    add(y - radius, -1);
  }
}

__global__ void __launch_bounds__(strip_threads)
    exclude_bright_pixels(MapGeometry geometry, ThresholdRule rule, int radius, Scratch scratch) {
  const std::size_t base = blockIdx.z * geometry.pixels();
  const std::int32_t* values = scratch.values + base;
  slide_window(values, scratch.counts + base, geometry, radius,
               [&](std::size_t i, const WindowSums::Sums& sums) {
                 scratch.next_counts[base + i] =
                     rule.stands_out(sums, values[i]) ? 0 : scratch.good[base + i];
               });
}

// Calls visit(index) for the 3x3 about pixel i, clipped at the image's edges.
template <class Visit>
__device__ void visit_neighbours(std::size_t i, const MapGeometry& geometry, const Visit& visit) {
  const std::size_t y = i / geometry.width;
  const std::size_t x = i % geometry.width;
  for (std::size_t row = y > 0 ? y - 1 : 0; row <= min(y + 1, geometry.height - 1); ++row) {
    for (std::size_t at = x > 0 ? x - 1 : 0; at <= min(x + 1, geometry.width - 1); ++at) {
      visit(row * geometry.width + at);
    }
  }
}

__global__ void __launch_bounds__(strip_threads)
    mark_lit_pixels(MapGeometry geometry, ThresholdRule rule, int radius, Scratch scratch) {
  const std::size_t base = blockIdx.z * geometry.pixels();
  const std::int32_t* values = scratch.values + base;
  const std::uint8_t* good = scratch.good + base;
  slide_window(values, scratch.counts + base, geometry, radius,
               [&](std::size_t i, const WindowSums::Sums& sums) {
                 std::uint8_t flags = 0;
                 if (good[i] != 0 && rule.lit(sums, values[i])) {
                   Neighbourhood near{0, 0, values[i]};
                   visit_neighbours(i, geometry, [&](std::size_t at) {
                     near.good += good[at];
                     near.sum += values[at];
                     if (good[at] != 0 && values[at] > near.largest) near.largest = values[at];
                   });
                   flags = lit_flag | (rule.bright(sums, near) ? bright_flag : 0);
                 }
                 scratch.flags[base + i] = flags;
               });
}

__device__ bool is_found(std::size_t i, const std::uint8_t* flags, const MapGeometry& geometry,
                         const ThresholdRule& rule) {
  if ((flags[i] & lit_flag) == 0) return false;
  bool found = false;
  visit_neighbours(i, geometry, [&](std::size_t seed) {
    if (found || (flags[seed] & bright_flag) == 0) return;
    int lit = 0;
    visit_neighbours(seed, geometry, [&](std::size_t at) { lit += flags[at] & lit_flag; });
    found = rule.seed(lit);
  });
  return found;
}

// A warp answers for 32 pixels of a row of the map, or for those of a word that are in the row.
// grid: (part of a row, row of the map, image).
__global__ void __launch_bounds__(threads)
    grow_seeds(MapGeometry geometry, ThresholdRule rule, const std::uint8_t* all_flags,
               MapFormat format, std::byte* maps) {
  const std::size_t x = std::size_t{blockIdx.x} * threads + threadIdx.x;
  const std::size_t row_bytes = geometry.map_bytes(format) / geometry.map_height;
  const std::uint8_t* flags = all_flags + blockIdx.z * geometry.pixels();
  for (std::size_t y = blockIdx.y; y < geometry.map_height; y += gridDim.y) {
    const bool inside = y >= geometry.top && y - geometry.top < geometry.height &&
                        x >= geometry.left && x - geometry.left < geometry.width;
    const bool found = inside && is_found((y - geometry.top) * geometry.width + x - geometry.left,
                                          flags, geometry, rule);
    std::byte* row = maps + (blockIdx.z * geometry.map_height + y) * row_bytes;
    if (format == MapFormat::uint8) {
      if (x < geometry.map_width) row[x] = static_cast<std::byte>(found);
      continue;
    }
    const unsigned word = __ballot_sync(~0U, found);
    if (x % 32 == 0 && x / 8 < row_bytes) *reinterpret_cast<unsigned*>(row + x / 8) = word;
  }
}

}  // namespace

std::size_t threshold_bytes(std::size_t images, std::size_t pixels) { return images * pixels * 8; }

void find_by_threshold(const RawImages& raw, const ThresholdRule& rule, int radius,
                       MapFormat format, void* memory, std::byte* maps, cudaStream_t stream) {
  const MapGeometry& geometry = raw.geometry;
  const auto images = static_cast<unsigned>(raw.images);
  Scratch scratch = scratch_in(memory, raw.images * geometry.pixels());
  dispatch(raw.dtype, [&](auto element) {
    using T = decltype(element);
    quantise<T>
        <<<dim3(blocks(geometry.pixels(), threads), images), threads, 0, stream>>>(raw, scratch);
  });
  check(cudaPeekAtLastError(), "launch of quantise");
  const dim3 strips(blocks(geometry.width, strip_columns), blocks(geometry.height, strip_rows),
                    images);
  for (int pass = 0; pass < threshold_exclusion_passes; ++pass) {
    exclude_bright_pixels<<<strips, strip_threads, 0, stream>>>(geometry, rule, radius, scratch);
    check(cudaPeekAtLastError(), "launch of exclude_bright_pixels");
    std::swap(scratch.counts, scratch.next_counts);
  }
  mark_lit_pixels<<<strips, strip_threads, 0, stream>>>(geometry, rule, radius, scratch);
  check(cudaPeekAtLastError(), "launch of mark_lit_pixels");
  // Whole words of the row, so that a warp's 32 pixels always lie in one row.
  const std::size_t columns = geometry.words() * 64;
  const unsigned rows = grid_rows(geometry.map_height);
  grow_seeds<<<dim3(blocks(columns, threads), rows, images), threads, 0, stream>>>(
      geometry, rule, scratch.flags, format, maps);
  check(cudaPeekAtLastError(), "launch of grow_seeds");
}

}  // namespace pnflow
