#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <limits>

namespace pnflow {

// How work of any size is divided between the threads of a GPU. Where sums of many values are cut
// up, the cut depends on the image's shape only: an image has the same sums in every batch.

inline constexpr std::size_t piece_channels = 8;  // that a thread reads at once

// Of a batch. Kernels count pixels in int, values in std::size_t; rows, or images with slices of
// their channels, are grids' second and third axes, which end at 65535.
inline constexpr std::size_t most_images = 4096;
inline constexpr std::size_t most_side = 65535;  // rows, and columns
inline constexpr std::size_t most_pixels = std::size_t{1} << 30U;

// A pixel's channels, in pieces of 8: `lanes` lanes of a warp, a power of two, have `pieces` each,
// lane l the pieces l, l + lanes, ... Some may have one less.
struct PixelLanes {
  int lanes = 0;
  int pieces = 0;
};

inline constexpr std::array<int, 5> pieces_of_lanes{1, 2, 3, 6, 12};  // that kernels are made for
inline constexpr std::size_t most_channels = piece_channels * 32 * 12;

// With the fewest idle lanes, and among those the fewest pieces.
constexpr PixelLanes pixel_lanes(std::size_t channels) {
  const int all = static_cast<int>(channels / piece_channels);
  PixelLanes best;
  int least = std::numeric_limits<int>::max();
  for (const int pieces : pieces_of_lanes) {
    int lanes = 1;
    while (lanes * pieces < all) lanes *= 2;
    if (lanes > 32 || lanes * pieces >= least) continue;
    least = lanes * pieces;
    best = {lanes, pieces};
  }
  return best;
}

// Lanes to a pixel where each has 3 pieces at most, for up to 768 channels.
constexpr std::size_t lanes_of_three(std::size_t channels) {
  std::size_t lanes = 1;
  while (lanes * 3 * piece_channels < channels) lanes *= 2;
  return lanes;
}

// Into how many parts an image's pixels are cut for a sum of which each block of threads makes one
// part, `rows` pixels at a time.
constexpr std::size_t parts_of_sum(std::size_t pixels, std::size_t rows) {
  return std::clamp<std::size_t>(pixels / (rows * 64), 1, 128);
}

// An image's pixels in tiles of 64, and those in parts, of each of which a warpgroup makes one part
// of a sum. Some hundred parts keep a device busy with one image and are soon added up;
// with 8 tiles to a part it does not matter what its end costs.
struct ImageTiles {
  std::size_t tiles = 0;
  std::size_t of_part = 0;  // tiles, a power of two; the last part may have fewer
  std::size_t parts = 0;
};
inline constexpr std::size_t tile_pixels = 64;
constexpr ImageTiles image_tiles(std::size_t pixels) {
  const std::size_t tiles = (pixels + tile_pixels - 1) / tile_pixels;
  const std::size_t of_part = std::bit_floor(std::clamp<std::size_t>(tiles / 112, 1, 8));
  return {tiles, of_part, (tiles + of_part - 1) / of_part};
}

// The largest divisor of `count` that is at most `most`.
constexpr std::size_t divisor_up_to(std::size_t count, std::size_t most) {
  std::size_t divisor = std::min(count, most);
  while (count % divisor != 0) --divisor;
  return divisor;
}

// Rows of an image that one block of the depthwise kernel works through, where `across` blocks
// stand side by side in all images together and `at_once` run at the same time. A strip costs its
// rows, rounded up to the ring of 7, and 6 rows more; the fewest rows in sequence are the fastest.
constexpr std::size_t strip_rows(std::size_t height, std::size_t across, std::size_t at_once) {
  std::size_t best = height;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (std::size_t rings = 1; rings <= 18; ++rings) {
    const std::size_t rows = std::min(height, rings * 7 - 6);
    const std::size_t strips = (height + rows - 1) / rows * across;
    const std::size_t turns = (strips + at_once - 1) / at_once;
    const std::size_t cost = turns * ((rows + 6 + 6) / 7);
    if (cost <= least) {  // among equals the longest, which read the fewest rows twice
      least = cost;
      best = rows;
    }
    if (rows == height) break;
  }
  return best;
}

}  // namespace pnflow
