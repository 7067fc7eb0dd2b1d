#pragma once

#include "gpu/peaknet_cuda/device.cuh"

namespace pnflow::device {

// Bilinear resizing as PyTorch's with align_corners=False: at the edges, the last pixel goes on.

// The 2x2 pixels, rows first, that lie over pixel (y, x) of height x width pixels in the map twice
// as large. `value(y, x)` is a pixel's.
template <class Value>
__device__ __forceinline__ void upsample_cell(const Value& value, int height, int width, int y,
                                              int x, Eight (&cell)[4]) {
  const int rows[3] = {max(y - 1, 0), y, min(y + 1, height - 1)};
  const int columns[3] = {max(x - 1, 0), x, min(x + 1, width - 1)};
  Eight between[2][3];  // of the cell's two rows, the three columns about it
#pragma unroll
  for (int j = 0; j < 3; ++j) {
    const Eight above = value(rows[0], columns[j]);
    const Eight middle = value(rows[1], columns[j]);
    const Eight below = value(rows[2], columns[j]);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      between[0][j].v[i] = 0.25F * above.v[i] + 0.75F * middle.v[i];
      between[1][j].v[i] = 0.75F * middle.v[i] + 0.25F * below.v[i];
    }
  }
#pragma unroll
  for (int q = 0; q < 2; ++q) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      cell[2 * q].v[i] = 0.25F * between[q][0].v[i] + 0.75F * between[q][1].v[i];
      cell[2 * q + 1].v[i] = 0.75F * between[q][1].v[i] + 0.25F * between[q][2].v[i];
    }
  }
}

// Between which of `size` pixels a pixel of the map `factor` times as large lies, and how much of
// the second one is in it.
struct Between {
  int first, second;
  float of_second;

  __device__ Between(int at, int factor, int size) {
    const float position =
        fmaxf((static_cast<float>(at) + 0.5F) / static_cast<float>(factor) - 0.5F, 0.0F);
    first = min(static_cast<int>(position), size - 1);
    second = min(first + 1, size - 1);
    of_second = position - static_cast<float>(first);
  }
};

}  // namespace pnflow::device
