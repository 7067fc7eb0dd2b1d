#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/decide.h"
#include "gpu/cuda/grid.h"

namespace pnflow {

namespace {

constexpr int threads = 128;
constexpr int pixels_per_thread = 8;  // a byte of the bit map

// What the kernel needs to know of the logits and the maps, in values and bytes.
struct Layout {
  std::int64_t image_stride, class_stride, row_stride, column_stride;
  std::size_t height, width;
  std::size_t row_bytes;  // of a map
  MapFormat format;
  bool vectors;  // rows of both classes can be read in pieces of 8 values
};

template <class T>
struct alignas(8 * sizeof(T) < 16 ? 8 * sizeof(T) : 16) Eight {
  T values[pixels_per_thread];
};

template <class T>
__device__ void load(const T* from, std::int64_t stride, std::size_t count, bool vectors,
                     float (&to)[pixels_per_thread]) {
  if (vectors) {
    const auto eight = *reinterpret_cast<const Eight<T>*>(from);
#pragma unroll
    for (int k = 0; k < pixels_per_thread; ++k) to[k] = static_cast<float>(eight.values[k]);
    return;
  }
#pragma unroll
  for (int k = 0; k < pixels_per_thread; ++k) {
    to[k] = k < count ? static_cast<float>(from[k * stride]) : 0.0F;
  }
}

// grid: (part of a row, row, image).
template <class T>
__global__ void __launch_bounds__(threads)
    decide(const T* logits, Layout layout, std::byte* maps, float* values, unsigned* not_finite) {
  const std::size_t first = (std::size_t{blockIdx.x} * threads + threadIdx.x) * pixels_per_thread;
  const std::size_t image = blockIdx.z;
  // In bits the row ends with a whole word, whose last bytes belong to no pixel and are 0.
  const bool bits = layout.format == MapFormat::bits;
  if (bits ? first / 8 >= layout.row_bytes : first >= layout.width) return;
  const std::size_t count =
      first < layout.width ? min(layout.width - first, std::size_t{pixels_per_thread}) : 0;
  bool finite = true;
  for (std::size_t y = blockIdx.y; y < layout.height; y += gridDim.y) {
    float background[pixels_per_thread] = {};
    float peak[pixels_per_thread] = {};
    if (count > 0) {
      const T* from = logits + image * layout.image_stride + y * layout.row_stride +
                      first * layout.column_stride;
      const bool vectors = layout.vectors && count == pixels_per_thread;
      load(from, layout.column_stride, count, vectors, background);
      load(from + layout.class_stride, layout.column_stride, count, vectors, peak);
    }
    unsigned byte = 0;
#pragma unroll
    for (int k = 0; k < pixels_per_thread; ++k) {
      if (k < count && peak[k] > background[k]) byte |= 1U << k;
      finite &= isfinite(peak[k]) && isfinite(background[k]);
    }
    std::byte* row = maps + (image * layout.height + y) * layout.row_bytes;
    if (bits) {
      row[first / 8] = static_cast<std::byte>(byte);
    } else {
      for (std::size_t k = 0; k < count; ++k) {
        row[first + k] = static_cast<std::byte>(byte >> k & 1U);
      }
    }
    if (values) {
      float* to = values + (image * 2 * layout.height + y) * layout.width + first;
      for (std::size_t k = 0; k < count; ++k) {
        to[k] = background[k];
        to[layout.height * layout.width + k] = peak[k];
      }
    }
  }
  if (!finite && not_finite) atomicOr(not_finite + image, 1U);
}

template <class T>
void enqueue(const DeviceLogits& logits, Layout layout, const DeviceMaps& to, cudaStream_t stream) {
  const auto aligned = [](std::int64_t stride) { return stride % pixels_per_thread == 0; };
  layout.vectors = logits.column_stride == 1 && aligned(logits.row_stride) &&
                   aligned(logits.class_stride) && aligned(logits.image_stride) &&
                   reinterpret_cast<std::uintptr_t>(logits.values) % alignof(Eight<T>) == 0;
  const std::size_t bytes =
      layout.format == MapFormat::bits ? layout.row_bytes : (layout.width + 7) / 8;
  const unsigned parts = blocks(bytes, threads);
  const unsigned rows = grid_rows(layout.height);
  decide<T><<<dim3(parts, rows, static_cast<unsigned>(to.images)), threads, 0, stream>>>(
      static_cast<const T*>(logits.values), layout, to.maps, to.logits, to.not_finite);
  check(cudaPeekAtLastError(), "launch of decide");
}

}  // namespace

void decide_classes(const DeviceLogits& logits, const DeviceMaps& to, cudaStream_t stream) {
  const Layout layout{logits.image_stride,
                      logits.class_stride,
                      logits.row_stride,
                      logits.column_stride,
                      to.geometry.map_height,
                      to.geometry.map_width,
                      to.geometry.map_bytes(to.format) / to.geometry.map_height,
                      to.format,
                      false};
  switch (logits.precision) {
    case Precision::float32: return enqueue<float>(logits, layout, to, stream);
    case Precision::bfloat16: return enqueue<__nv_bfloat16>(logits, layout, to, stream);
    case Precision::float16: break;
  }
  enqueue<__half>(logits, layout, to, stream);
}

}  // namespace pnflow
