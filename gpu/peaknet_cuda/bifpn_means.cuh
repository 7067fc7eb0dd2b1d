#pragma once

#include "gpu/peaknet_cuda/device.cuh"

// The weighted means of a BiFPN's levels for a tile of 8x8 pixels of 256 channels, which a
// warpgroup forms. Computed in pairs of bfloat16, each step rounded, as an unfused bfloat16 network
// rounds as well.

namespace pnflow::device::bifpn {

using Bf16 = __nv_bfloat16;

constexpr int channels = 256;
constexpr int tile_side = 8;
constexpr int warps = 4;  // that share a tile's pixels; each lane has 8 channels
static_assert(channels == warp * static_cast<int>(piece_channels));

struct MapSize {
  int height, width;
};

// What is multiplied with pairs of bfloat16 without being one: the sum of two. In a sum of products
// those with the rests come first: behind the others they would be rounded away.
struct Share {
  __nv_bfloat162 most, rest;

  __device__ explicit Share(float share)
      : most(__float2bfloat162_rn(share)),
        rest(__float2bfloat162_rn(share - __low2float(__float2bfloat162_rn(share)))) {}
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

// A lane's 8 channels of a pixel, in pairs.
struct alignas(16) Pairs {
  __nv_bfloat162 v[4];
};
__device__ __forceinline__ Pairs load_pairs(const Bf16* from) {
  Pairs pairs;
  *reinterpret_cast<uint4*>(&pairs) = __ldg(reinterpret_cast<const uint4*>(from));
  return pairs;
}

// share_p p + share_other times the deeper level made twice as large. Calls store(row of the tile,
// pairs) for this lane's channels of one warp's quarter of a tile, pixels beyond the edges being as
// good as any. A warp has the pixels over one column of 4 pixels of the deeper level, down which it
// marches, so that of these and their neighbours each is read once.
template <class Store>
__device__ __forceinline__ void fuse_up(const NodeInputs& in, const Shares& shares,
                                        const MapSize& map, const Tile& tile, int column, int lane,
                                        const Store& store) {
  constexpr int cells = tile_side / 2;
  const Share share_p(shares.p);
  const Share share_up(shares.other);
  const auto fuse = [&](__nv_bfloat162 own, __nv_bfloat162 up) {
    const __nv_bfloat162 rest = __hfma2(own, share_p.rest, __hmul2(up, share_up.rest));
    return __hfma2(own, share_p.most, __hfma2(up, share_up.most, rest));
  };
  const __nv_bfloat162 near = __float2bfloat162_rn(0.75F);
  const __nv_bfloat162 far = __float2bfloat162_rn(0.25F);
  const int height = map.height / 2;
  const int width = map.width / 2;
  const int top = tile.top / 2;
  const int x = min(tile.left / 2 + column, width - 1);
  const int before = (max(x - 1, 0) - x) * channels;
  const int after = (min(x + 1, width - 1) - x) * channels;
  const Bf16* const p = in.p + (tile.first + 2 * x) * channels + lane * 8;
  const Bf16* const deeper = in.other + (tile.first_other + x) * channels + lane * 8;
  Pairs left[3];  // at the columns left and right of the middle, three rows of the deeper level
  Pairs right[3];
#pragma unroll
  for (int i = -1; i <= cells; ++i) {
    const Bf16* const at = deeper + min(max(top + i, 0), height - 1) * width * channels;
    const Pairs about[3] = {load_pairs(at + before), load_pairs(at), load_pairs(at + after)};
    left[0] = left[1];
    left[1] = left[2];
    right[0] = right[1];
    right[1] = right[2];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const __nv_bfloat162 most = __hmul2(about[1].v[k], near);
      left[2].v[k] = __hfma2(about[0].v[k], far, most);
      right[2].v[k] = __hfma2(about[2].v[k], far, most);
    }
    if (i < 1) continue;
    const Bf16* const own = p + 2 * min(top + i - 1, height - 1) * map.width * channels;
#pragma unroll
    for (int side = 0; side < 2; ++side) {
      const Pairs(&level)[3] = side == 0 ? left : right;
      const Pairs upper_p = load_pairs(own + side * channels);
      const Pairs lower_p = load_pairs(own + (map.width + side) * channels);
      Pairs upper;
      Pairs lower;
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const __nv_bfloat162 most = __hmul2(level[1].v[k], near);
        upper.v[k] = fuse(upper_p.v[k], __hfma2(level[0].v[k], far, most));
        lower.v[k] = fuse(lower_p.v[k], __hfma2(level[2].v[k], far, most));
      }
      const int row = 2 * (i - 1) * tile_side + 2 * column + side;
      store(row, upper);
      store(row + tile_side, lower);
    }
  }
}

// share_p p + share_m m + share_other times the mean of the shallower level's 2x2 pixels; otherwise
// as fuse_up(). A warp has columns `column` and `column + 4` of the tile.
template <class Store>
__device__ __forceinline__ void fuse_down(const NodeInputs& in, const Shares& shares,
                                          const MapSize& map, const Tile& tile, int column,
                                          int lane, const Store& store) {
  const Share share_p(shares.p);
  const Share share_m(shares.m);
  const Share share_shallower(0.25F * shares.other);
  const Bf16* const p = in.p + tile.first * channels + lane * 8;
  const Bf16* const m = in.m + tile.first * channels + lane * 8;
  const Bf16* const shallower = in.other + tile.first_other * channels + lane * 8;
#pragma unroll 2
  for (int row = 0; row < tile_side; ++row) {
    const int y = min(tile.top + row, map.height - 1);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int x = min(tile.left + column + i * warps, map.width - 1);
      const int at = (y * map.width + x) * channels;
      const Bf16* const upper = shallower + (4 * y * map.width + 2 * x) * channels;
      const Bf16* const lower = upper + 2 * map.width * channels;
      const Pairs own = load_pairs(p + at);
      const Pairs own_m = load_pairs(m + at);
      const Pairs cell[4] = {load_pairs(upper), load_pairs(upper + channels), load_pairs(lower),
                             load_pairs(lower + channels)};
      Pairs fused;
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const __nv_bfloat162 sum =
            __hadd2(__hadd2(cell[0].v[k], cell[1].v[k]), __hadd2(cell[2].v[k], cell[3].v[k]));
        const __nv_bfloat162 rest =
            __hfma2(own.v[k], share_p.rest,
                    __hfma2(own_m.v[k], share_m.rest, __hmul2(sum, share_shallower.rest)));
        fused.v[k] =
            __hfma2(own.v[k], share_p.most,
                    __hfma2(own_m.v[k], share_m.most, __hfma2(sum, share_shallower.most, rest)));
      }
      store(row * tile_side + column + i * warps, fused);
    }
  }
}

}  // namespace pnflow::device::bifpn
