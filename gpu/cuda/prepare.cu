#include "gpu/cuda/prepare.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

#include "gpu/anscombe.h"
#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/grid.h"
#include "gpu/usable_pixel.h"

namespace pnflow {

namespace {

constexpr int threads = 256;
constexpr int warp = 32;
constexpr int blocks_per_image = 64;  // that sum; two partial results for each lane of a warp
constexpr int values_per_thread = 8;  // that the second kernel writes, side by side in a row

// Count, mean and sum of squared deviations of some pixels.
struct Moments {
  double count = 0;
  double mean = 0;
  double squares = 0;

  // Chan, Golub and LeVeque (1979): keeps its digits where the mean is large against the spread.
  __device__ void add(const Moments& other) {
    const double n = count + other.count;
    if (n == 0) return;
    const double apart = other.mean - mean;
    mean += apart * (other.count / n);
    squares += other.squares + apart * apart * (count * other.count / n);
    count = n;
  }

  __device__ Moments from_lane(int distance) const {
    return {__shfl_xor_sync(~0U, count, distance), __shfl_xor_sync(~0U, mean, distance),
            __shfl_xor_sync(~0U, squares, distance)};
  }

  // The sum over a warp, in all of its lanes. Which of two operands comes first depends on the
  // lane, so that all lanes get the same bits.
  __device__ void add_up_warp() {
    for (int distance = 1; distance < warp; distance *= 2) {
      const Moments other = from_lane(distance);
      if ((threadIdx.x & distance) == 0) {
        add(other);
      } else {
        Moments first = other;
        first.add(*this);
        *this = first;
      }
    }
  }
};

// Sums the pixels of an image about the first good one that the thread meets, which is near the
// mean more often than 0 is.
template <class T>
class Summer {
 public:
  __device__ void add(T value) {
    if (!usable_pixel(value)) return;
    const auto x = static_cast<double>(value);
    if (count_ == 0) pivot_ = x;
    const double d = x - pivot_;
    ++count_;
    sum_ += d;
    squares_ += d * d;
  }
  __device__ Moments moments() const {
    if (count_ == 0) return {};
    const double n = count_;
    const double squares = squares_ - sum_ * sum_ / n;
    return {n, pivot_ + sum_ / n, squares > 0 ? squares : 0};
  }

 private:
  int count_ = 0;
  double pivot_ = 0;
  double sum_ = 0;
  double squares_ = 0;
};

// Several pixels in one load of up to 16 bytes.
template <class T>
struct alignas(16) Vector {
  static constexpr int size = 16 / sizeof(T);
  T values[size];
};

// grid: (blocks_per_image, images). Traffic: each pixel (and its mask) is read once.
template <class T>
__global__ void __launch_bounds__(threads) sum_up(RawImages raw, Moments* partial) {
  const std::size_t image = blockIdx.y;
  const T* pixels = reinterpret_cast<const T*>(raw.pixels + image * raw.pitch);
  const std::uint8_t* bad = raw.bad ? raw.bad[image] : nullptr;
  const std::size_t count = raw.geometry.pixels();
  const std::size_t vectors = count / Vector<T>::size;
  const std::size_t thread = blockIdx.x * threads + threadIdx.x;
  constexpr std::size_t stride = std::size_t{blocks_per_image} * threads;
  Summer<T> sum;
  for (std::size_t i = thread; i < vectors; i += stride) {
    const auto vector = reinterpret_cast<const Vector<T>*>(pixels)[i];
#pragma unroll
    for (int k = 0; k < Vector<T>::size; ++k) {
      if (!bad || bad[i * Vector<T>::size + k] == 0) sum.add(vector.values[k]);
    }
  }
  for (std::size_t i = vectors * Vector<T>::size + thread; i < count; i += stride) {
    if (!bad || bad[i] == 0) sum.add(pixels[i]);
  }
  Moments all = sum.moments();
  all.add_up_warp();
  __shared__ Moments of_warps[threads / warp];
  if (threadIdx.x % warp == 0) of_warps[threadIdx.x / warp] = all;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int i = 1; i < threads / warp; ++i) all.add(of_warps[i]);
    partial[image * blocks_per_image + blockIdx.x] = all;
  }
}

// (x - mean) * scale, and what padding becomes.
struct Linear {
  double mean = 0;
  double scale = 1;
  float padding = 0;
};

// From the partial sums of an image; called by a whole warp.
__device__ Linear linear_of(const Moments* partial, const MapGeometry& geometry,
                            Normalize normalize, double eps) {
  const int lane = static_cast<int>(threadIdx.x % warp);
  Moments all = partial[lane];
  all.add(partial[lane + warp]);
  all.add_up_warp();
  Linear linear;
  if (all.count == 0) return linear;
  if (normalize == Normalize::instance_padded) {
    all.add({static_cast<double>(geometry.map_pixels() - geometry.pixels()), 0, 0});
  }
  const double deviation = sqrt(all.squares / all.count + eps);
  linear.mean = all.mean;
  linear.scale = deviation > 0 ? 1 / deviation : 0;  // a constant image with eps 0 becomes 0
  if (normalize == Normalize::instance_padded) {
    linear.padding = static_cast<float>(-linear.mean * linear.scale);
  }
  return linear;
}

template <class Out>
__device__ Out converted(float value) {
  if constexpr (std::is_same_v<Out, float>) return value;
  if constexpr (std::is_same_v<Out, __nv_bfloat16>) return __float2bfloat16_rn(value);
  if constexpr (std::is_same_v<Out, __half>) return __float2half_rn(value);
}

// grid: (part of a row, row of the map, image). Traffic: each pixel (and its mask) is read once and
// each value of the map written once, in pieces of 16 or 32 bytes where the row allows it.
template <class T, class Out>
__global__ void __launch_bounds__(threads)
    apply(RawImages raw, Normalize normalize, NormalizeSettings settings, const Moments* partial,
          Out* out) {
  const MapGeometry& g = raw.geometry;
  const std::size_t image = blockIdx.z;
  __shared__ Linear shared;
  if (!needs_statistics(normalize)) {
    const double scale = counts_photons(normalize) ? 1 / settings.adu_per_photon : 1;
    if (threadIdx.x == 0) shared = {0, scale, 0};
  } else if (threadIdx.x < warp) {
    const Linear linear = linear_of(partial + image * blocks_per_image, g, normalize, settings.eps);
    if (threadIdx.x == 0) shared = linear;
  }
  __syncthreads();
  const Linear linear = shared;
  const std::size_t first = (std::size_t{blockIdx.x} * threads + threadIdx.x) * values_per_thread;
  if (first >= g.map_width) return;
  const std::uint8_t* bad = raw.bad ? raw.bad[image] : nullptr;
  const T* pixels = reinterpret_cast<const T*>(raw.pixels + image * raw.pitch);
  for (std::size_t y = blockIdx.y; y < g.map_height; y += gridDim.y) {
    const bool row_inside = y >= g.top && y - g.top < g.height;
    const std::size_t row = (y - g.top) * g.width;
    struct alignas(16) Values {
      Out of[values_per_thread];
    } values;
#pragma unroll
    for (int k = 0; k < values_per_thread; ++k) {
      const std::size_t x = first + k;
      float value = linear.padding;
      if (row_inside && x >= g.left && x - g.left < g.width) {
        const std::size_t i = row + (x - g.left);
        const T pixel = pixels[i];
        const bool good = (!bad || bad[i] == 0) && usable_pixel(pixel);
        value = good ? static_cast<float>((static_cast<double>(pixel) - linear.mean) * linear.scale)
                     : 0.0F;
        if (normalize == Normalize::anscombe) value = anscombe(value);
      }
      values.of[k] = converted<Out>(value);
    }
    Out* to = out + (image * g.map_height + y) * g.map_width + first;
    if (g.map_width % values_per_thread == 0) {
      *reinterpret_cast<Values*>(to) = values;
    } else {
      for (int k = 0; k < values_per_thread && first + k < g.map_width; ++k) to[k] = values.of[k];
    }
  }
}

template <class T, class Out>
void enqueue(const RawImages& raw, Normalize normalize, const NormalizeSettings& settings,
             Moments* partial, Out* out, cudaStream_t stream) {
  const auto images = static_cast<unsigned>(raw.images);
  if (needs_statistics(normalize)) {
    sum_up<T><<<dim3(blocks_per_image, images), threads, 0, stream>>>(raw, partial);
    check(cudaPeekAtLastError(), "launch of sum_up");
  }
  constexpr std::size_t per_block = std::size_t{threads} * values_per_thread;
  const unsigned parts = blocks(raw.geometry.map_width, per_block);
  const unsigned rows = grid_rows(raw.geometry.map_height);
  apply<T, Out>
      <<<dim3(parts, rows, images), threads, 0, stream>>>(raw, normalize, settings, partial, out);
  check(cudaPeekAtLastError(), "launch of apply");
}

}  // namespace

std::size_t statistics_bytes(std::size_t images) {
  return images * blocks_per_image * sizeof(Moments);
}

void prepare_images(const RawImages& raw, Normalize normalize, const NormalizeSettings& settings,
                    Precision precision, void* statistics, void* out, cudaStream_t stream) {
  auto* partial = static_cast<Moments*>(statistics);
  dispatch(raw.dtype, [&](auto element) {
    using T = decltype(element);
    switch (precision) {
      case Precision::float32:
        return enqueue<T>(raw, normalize, settings, partial, static_cast<float*>(out), stream);
      case Precision::bfloat16:
        return enqueue<T>(raw, normalize, settings, partial, static_cast<__nv_bfloat16*>(out),
                          stream);
      case Precision::float16: break;
    }
    enqueue<T>(raw, normalize, settings, partial, static_cast<__half*>(out), stream);
  });
}

}  // namespace pnflow
