#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <bit>
#include <stdexcept>
#include <type_traits>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/grid.h"
#include "gpu/peaknet_cuda/kernels.h"
#include "gpu/peaknet_cuda/shapes.h"

// What PeakNet's kernels share: eight channels in registers, sums over lanes, GELU.

namespace pnflow::device {

constexpr int warp = 32;
constexpr float layer_norm_eps = 1e-6F;

struct Eight {
  float v[8];
};

// Eight channels as they lie in memory: one read or write of 16 bytes, or two.
template <class T>
struct alignas(16) Packed {
  uint4 words[sizeof(T) / 2];
};

template <class T>
__device__ __forceinline__ Packed<T> load(const T* from) {
  return *reinterpret_cast<const Packed<T>*>(from);
}

// As load(), from memory that nothing writes to while the kernel runs.
template <class T>
__device__ __forceinline__ Packed<T> load_constant(const T* from) {
  Packed<T> packed;
#pragma unroll
  for (int i = 0; i < static_cast<int>(sizeof(T) / 2); ++i) {
    packed.words[i] = __ldg(reinterpret_cast<const uint4*>(from) + i);
  }
  return packed;
}

// Two values of a type of 16 bits, the first one in the lower half.
__device__ __forceinline__ __half2 half_pair(unsigned word) {
  return {std::bit_cast<__half2_raw>(word)};
}
__device__ __forceinline__ unsigned word_of(__half2 pair) {
  return std::bit_cast<unsigned>(static_cast<__half2_raw>(pair));
}
template <class T>
__device__ __forceinline__ float2 unpacked_pair(unsigned word) {
  if constexpr (std::is_same_v<T, __half>) {
    return __half22float2(half_pair(word));
  } else {
    static_assert(std::is_same_v<T, __nv_bfloat16>);
    return make_float2(__uint_as_float(word << 16U), __uint_as_float(word & 0xffff0000U));
  }
}
template <class T = __nv_bfloat16>
__device__ __forceinline__ unsigned packed_pair(float low, float high) {
  if constexpr (std::is_same_v<T, __half>) {
    return word_of(__floats2half2_rn(low, high));
  } else {
    static_assert(std::is_same_v<T, __nv_bfloat16>);
    // With bit_cast the depthwise kernels spill more registers.
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return static_cast<unsigned>(__bfloat16_as_ushort(pair.x)) |
           static_cast<unsigned>(__bfloat16_as_ushort(pair.y)) << 16U;
  }
}

template <class T>
__device__ __forceinline__ Eight unpack(const Packed<T>& packed) {
  Eight eight;
#pragma unroll
  for (int i = 0; i < static_cast<int>(sizeof(T) / 2); ++i) {
    const unsigned words[4] = {packed.words[i].x, packed.words[i].y, packed.words[i].z,
                               packed.words[i].w};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      if constexpr (std::is_same_v<T, float>) {
        eight.v[4 * i + k] = __uint_as_float(words[k]);
      } else {
        const float2 pair = unpacked_pair<T>(words[k]);
        eight.v[2 * k] = pair.x;
        eight.v[2 * k + 1] = pair.y;
      }
    }
  }
  return eight;
}

template <class T>
__device__ __forceinline__ Packed<T> pack(const Eight& eight) {
  Packed<T> packed;
  const float* v = eight.v;
  if constexpr (std::is_same_v<T, float>) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      packed.words[i] = {__float_as_uint(v[4 * i]), __float_as_uint(v[4 * i + 1]),
                         __float_as_uint(v[4 * i + 2]), __float_as_uint(v[4 * i + 3])};
    }
  } else {
    packed.words[0] = {packed_pair<T>(v[0], v[1]), packed_pair<T>(v[2], v[3]),
                       packed_pair<T>(v[4], v[5]), packed_pair<T>(v[6], v[7])};
  }
  return packed;
}

template <class T>
__device__ __forceinline__ void store(T* to, const Eight& eight) {
  *reinterpret_cast<Packed<T>*>(to) = pack<T>(eight);
}

__device__ __forceinline__ Eight load_floats(const float* from) {
  return unpack<float>(load_constant(from));
}

// Over the `lanes` lanes that share a pixel; the same bits in each. The whole warp takes part.
__device__ __forceinline__ float sum_over(float value, int lanes) {
  for (int distance = lanes / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(~0U, value, distance);
  }
  return value;
}

// x Phi(x). As exact as erff for float32; for types of 16 bits within 2.5e-5 and what tanh.approx
// has (2^-11), which is half a last bit of float16's x.
template <class T>
__device__ __forceinline__ float gelu(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return 0.5F * x * (1 + erff(x * 0.70710678118654752F));
  } else {
    const float z = fminf(x * x, 36.0F);
    const float p = fmaf(fmaf(-3.51486295e-4F, z, 3.70054634e-2F), z, 7.97508087e-1F);
    float tanh_of = 0;
    asm("tanh.approx.f32 %0, %1;" : "=f"(tanh_of) : "f"(x * p));
    return fmaf(0.5F * x, tanh_of, 0.5F * x);
  }
}

// A lane's part of a pixel: its pieces, some of which may not be there.
template <int pieces>
struct LaneChannels {
  int lane, lanes, all;  // `all` pieces of the pixel

  __device__ LaneChannels(int lanes_of_pixel, int channels)
      : lane(static_cast<int>(threadIdx.x) & (lanes_of_pixel - 1)),
        lanes(lanes_of_pixel),
        all(channels / static_cast<int>(piece_channels)) {}
  __device__ bool has(int k) const { return k * lanes + lane < all; }
  __device__ int channel(int k) const {
    return (k * lanes + lane) * static_cast<int>(piece_channels);
  }

  // Takes the mean off, and returns 1 / deviation.
  __device__ float centre(Eight (&x)[pieces], int channels) const {
    const float share = 1.0F / static_cast<float>(channels);
    float sum = 0;
#pragma unroll
    for (int k = 0; k < pieces; ++k) {
      if (!has(k)) continue;
#pragma unroll
      for (int i = 0; i < 8; ++i) sum += x[k].v[i];
    }
    const float mean = sum_over(sum, lanes) * share;
    float squares = 0;
#pragma unroll
    for (int k = 0; k < pieces; ++k) {
      if (!has(k)) continue;
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        x[k].v[i] -= mean;
        squares = fmaf(x[k].v[i], x[k].v[i], squares);
      }
    }
    return rsqrtf(fmaf(sum_over(squares, lanes), share, layer_norm_eps));
  }
};

template <class T>
inline constexpr Precision precision_of = std::is_same_v<T, float>    ? Precision::float32
                                          : std::is_same_v<T, __half> ? Precision::float16
                                                                      : Precision::bfloat16;

// Calls use(T()) with the type of activations of that precision.
template <class Use>
void with_type(Precision precision, const Use& use) {
  switch (precision) {
    case Precision::float32: return use(float());
    case Precision::bfloat16: return use(__nv_bfloat16());
    case Precision::float16: return use(__half());
  }
}

// Lets a kernel without static shared memory have as much of it as the device allows. Always the
// same: other threads launch the same kernel with more or less, and graphs have it in them.
template <class Kernel>
void allow_shared_memory(const Kernel& kernel) {
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             attribute_of_device(cudaDevAttrMaxSharedMemoryPerBlockOptin)),
        "cudaFuncSetAttribute");
}

// Throws std::invalid_argument where kernels cannot count the pixels or the channels.
inline void check_shape(const PixelGrid& grid, std::size_t channels = piece_channels,
                        std::size_t most = most_channels) {
  if (grid.images == 0 || grid.height == 0 || grid.width == 0) {
    throw std::invalid_argument("a batch without pixels");
  }
  if (grid.images > most_images || grid.height > most_side || grid.width > most_side ||
      grid.all() > most_pixels) {
    throw std::invalid_argument("a batch of too many pixels");
  }
  if (channels == 0 || channels % piece_channels != 0 || channels > most) {
    throw std::invalid_argument("channels that are no multiple of 8, or too many");
  }
}

// Calls use(std::integral_constant<int, pieces>()) with the number that a lane has
// of channels that check_shape() has seen.
template <class Use>
void with_pieces(std::size_t channels, const Use& use) {
  switch (pixel_lanes(channels).pieces) {
    case 1: return use(std::integral_constant<int, 1>());
    case 2: return use(std::integral_constant<int, 2>());
    case 3: return use(std::integral_constant<int, 3>());
    case 6: return use(std::integral_constant<int, 6>());
    default: return use(std::integral_constant<int, 12>());
  }
}

}  // namespace pnflow::device
