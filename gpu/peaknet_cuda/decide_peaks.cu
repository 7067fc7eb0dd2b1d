#include "gpu/peaknet_cuda/bilinear.cuh"
#include "gpu/peaknet_cuda/device.cuh"

namespace pnflow {

namespace {

using namespace device;

constexpr int threads = 256;
constexpr int word_pixels = 32;

struct Map {
  int height, width;  // in pixels
  int words;          // of 32 bits in a row, where it has bits
  MapFormat format;
};

// Pixel 0 is the least significant bit of `word`; what is outside of the map is 0.
__device__ void store_word(std::byte* maps, const Map& map, std::size_t row, int at,
                           unsigned word) {
  if (map.format == MapFormat::bits) {
    reinterpret_cast<unsigned*>(maps)[row * map.words + at] = word;
    return;
  }
  std::byte* const to = maps + row * map.width;
  const int first = at * word_pixels;
  for (int k = first; k < min(first + word_pixels, map.width); ++k) {
    to[k] = static_cast<std::byte>(word >> static_cast<unsigned>(k - first) & 1U);
  }
}

__device__ void store_logits(float* logits, const Map& map, std::size_t image, int y, int x,
                             float value) {
  const std::size_t all = static_cast<std::size_t>(map.height) * map.width;
  float* const to = logits + 2 * image * all + static_cast<std::size_t>(y) * map.width + x;
  to[0] = 0;
  to[all] = value;
}

// Level 0's score of a pixel and what three maps of half the size have for it.
__device__ __forceinline__ float merged_score(const LevelScores& levels, std::size_t image, int y,
                                              int x, int height, int width, int scores, int s) {
  const int rows = height / 2;
  const int columns = width / 2;
  const Between down(y, 2, rows);
  const Between right(x, 2, columns);
  const auto deeper = [&](int row, int column) {
    const std::size_t at = ((image * rows + row) * columns + column) * scores + s;
    return __ldg(levels.deeper[0] + at) + __ldg(levels.deeper[1] + at) +
           __ldg(levels.deeper[2] + at);
  };
  const float above = (1 - right.of_second) * deeper(down.first, right.first) +
                      right.of_second * deeper(down.first, right.second);
  const float below = (1 - right.of_second) * deeper(down.second, right.first) +
                      right.of_second * deeper(down.second, right.second);
  return __ldg(levels.level0 + ((image * height + y) * width + x) * scores + s) +
         (1 - down.of_second) * above + down.of_second * below;
}

// ---------------------------------------------------------------- one score, patches of 4x4

constexpr int tile_width = 64;  // patches: 8 words
constexpr int tile_height = 16;
constexpr int tile_words = 8;

// A block sums the maps of a tile and the patches about it into shared memory and makes 64 rows of
// 8 words from there. Traffic: the score maps and the bits once; .00052 ms at 480x480 patches
// (an H200's 4.24 TB/s), where the prototype took .0029.
// grid: (tiles across, tiles down, images).
__global__ void __launch_bounds__(threads)
    decide_fours(LevelScores levels, float bias, int height, int width, Map map,
                 std::byte* __restrict__ maps, float* __restrict__ logits,
                 unsigned* __restrict__ not_finite) {
  __shared__ float tile[tile_height + 2][tile_width + 3];
  const int left = static_cast<int>(blockIdx.x) * tile_width;
  const int top = static_cast<int>(blockIdx.y) * tile_height;
  constexpr int wide = tile_width + 2;
  for (int i = static_cast<int>(threadIdx.x); i < (tile_height + 2) * wide; i += threads) {
    const int y = min(max(top - 1 + i / wide, 0), height - 1);
    const int x = min(max(left - 1 + i % wide, 0), width - 1);
    const float score = bias + merged_score(levels, blockIdx.z, y, x, height, width, 1, 0);
    tile[i / wide][i % wide] = score;
    if (!isfinite(score) && not_finite) atomicOr(not_finite + blockIdx.z, 1U);
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < 4 * tile_height * tile_words; i += threads) {
    const int row = i / tile_words;
    const int y = 4 * top + row;
    const int at = static_cast<int>(blockIdx.x) * tile_words + i % tile_words;
    if (y >= map.height || at >= map.words) continue;
    // The rows of the tile that it lies between; the first one belongs to the patch above.
    const int upper = (row + 2) / 4;
    const float of_lower = (static_cast<float>((row + 2) % 4) + 0.5F) * 0.25F;
    const auto between = [&](int column) {
      return (1 - of_lower) * tile[upper][column] + of_lower * tile[upper + 1][column];
    };
    unsigned word = 0;
    float before = between(i % tile_words * 8);
    float here = between(i % tile_words * 8 + 1);
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const float after = between(i % tile_words * 8 + k + 2);
      const float four[4] = {0.375F * before + 0.625F * here, 0.125F * before + 0.875F * here,
                             0.875F * here + 0.125F * after, 0.625F * here + 0.375F * after};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int x = at * word_pixels + 4 * k + j;
        if (x >= map.width) continue;
        word |= static_cast<unsigned>(four[j] > 0) << static_cast<unsigned>(4 * k + j);
        if (logits) store_logits(logits, map, blockIdx.z, y, x, four[j]);
      }
      before = here;
      here = after;
    }
    store_word(maps, map, std::size_t{blockIdx.z} * map.height + y, at, word);
  }
}

// ---------------------------------------------------------------- any

// Traffic: each map once and the output once: 7/4 of the output read, 4 bytes a score.
__global__ void __launch_bounds__(threads)
    merge_scores(LevelScores levels, float* __restrict__ merged, PixelGrid grid, int scores) {
  const std::size_t i = std::size_t{blockIdx.x} * threads + threadIdx.x;
  if (i >= grid.all() * scores) return;
  const std::size_t pixel = i / scores;
  merged[i] = merged_score(levels, pixel / grid.of_image(),
                           static_cast<int>(pixel / grid.width % grid.height),
                           static_cast<int>(pixel % grid.width), static_cast<int>(grid.height),
                           static_cast<int>(grid.width), scores, static_cast<int>(i % scores));
}

// One pixel of the map from an image's merged scores.
__device__ float decided_value(const float* merged, int y, int x, int height, int width, int patch,
                               int scores) {
  const auto score = [&](int row, int column, int s) {
    return __ldg(merged + (static_cast<std::size_t>(row) * width + column) * scores + s);
  };
  const Between down(y, patch, height);
  const Between right(x, patch, width);
  const float above = (1 - right.of_second) * score(down.first, right.first, 0) +
                      right.of_second * score(down.first, right.second, 0);
  const float below = (1 - right.of_second) * score(down.second, right.first, 0) +
                      right.of_second * score(down.second, right.second, 0);
  float value = (1 - down.of_second) * above + down.of_second * below;
  if (scores == 1) return value;
  // The transposed convolution with padding 1: patch (row, column) reaches the pixels from
  // patch * row - 1 to patch * row + patch, and so for columns.
  const int side = patch + 2;
  for (int row = (y + 1) / patch; row >= 0 && y + 1 - row * patch < side; --row) {
    if (row >= height) continue;
    for (int column = (x + 1) / patch; column >= 0 && x + 1 - column * patch < side; --column) {
      if (column >= width) continue;
      value += score(row, column, 1 + (y + 1 - row * patch) * side + x + 1 - column * patch);
    }
  }
  return value;
}

// A thread makes a pixel, a warp 32 of a row. Traffic: the merged scores once (each is read by up
// to patch * patch threads, through the caches) and the map. grid: (parts of a row, rows, images).
__global__ void __launch_bounds__(threads)
    decide_any(const float* __restrict__ merged, int scores, float bias, int patch, PixelGrid grid,
               Map map, std::byte* __restrict__ maps, float* __restrict__ logits,
               unsigned* __restrict__ not_finite) {
  const int x = static_cast<int>(blockIdx.x) * threads + static_cast<int>(threadIdx.x);
  const float* image = merged + blockIdx.z * grid.of_image() * scores;
  for (int y = static_cast<int>(blockIdx.y); y < map.height; y += static_cast<int>(gridDim.y)) {
    const std::size_t row = std::size_t{blockIdx.z} * map.height + y;
    float value = 0;
    if (x < map.width) {
      value = bias + decided_value(image, y, x, static_cast<int>(grid.height),
                                   static_cast<int>(grid.width), patch, scores);
      if (logits) store_logits(logits, map, blockIdx.z, y, x, value);
      if (!isfinite(value) && not_finite) atomicOr(not_finite + blockIdx.z, 1U);
    }
    const bool found = x < map.width && value > 0;
    if (map.format == MapFormat::uint8) {
      if (x < map.width) maps[row * map.width + x] = static_cast<std::byte>(found);
      continue;
    }
    const unsigned word = __ballot_sync(~0U, found);
    if (x % word_pixels == 0 && x / word_pixels < map.words) {
      store_word(maps, map, row, x / word_pixels, word);
    }
  }
}

}  // namespace

void decide_peaks(const LevelScores& levels, std::size_t scores, float bias, std::size_t patch,
                  const PixelGrid& grid, float* merged, const DeviceMaps& to, cudaStream_t stream) {
  check_shape(grid);
  const PixelGrid maps{to.images, to.geometry.map_height, to.geometry.map_width};
  if (maps.all() == 0 || scores == 0 || patch == 0) {
    throw std::invalid_argument("maps, patches or scores of nothing");
  }
  if (grid.height % 2 != 0 || grid.width % 2 != 0) {
    throw std::invalid_argument("an odd grid of patches");
  }
  if (maps.images > grid.images || maps.height > grid.height * patch ||
      maps.width > grid.width * patch) {
    throw std::invalid_argument("maps that are larger than what was seen");
  }
  const PixelGrid decided{maps.images, grid.height, grid.width};
  const std::size_t words = 2 * to.geometry.words();
  const Map map{static_cast<int>(maps.height), static_cast<int>(maps.width),
                static_cast<int>(words), to.format};
  const auto images = static_cast<unsigned>(maps.images);
  if (scores == 1 && patch == 4) {
    decide_fours<<<dim3(blocks(words, tile_words), blocks(grid.height, tile_height), images),
                   threads, 0, stream>>>(levels, bias, static_cast<int>(grid.height),
                                         static_cast<int>(grid.width), map, to.maps, to.logits,
                                         to.not_finite);
    check(cudaPeekAtLastError(), "launch of decide_fours");
    return;
  }
  merge_scores<<<blocks(decided.all() * scores, threads), threads, 0, stream>>>(
      levels, merged, decided, static_cast<int>(scores));
  check(cudaPeekAtLastError(), "launch of merge_scores");
  decide_any<<<dim3(blocks(words * word_pixels, threads), grid_rows(maps.height), images), threads,
               0, stream>>>(merged, static_cast<int>(scores), bias, static_cast<int>(patch),
                            decided, map, to.maps, to.logits, to.not_finite);
  check(cudaPeekAtLastError(), "launch of decide_any");
}

}  // namespace pnflow
