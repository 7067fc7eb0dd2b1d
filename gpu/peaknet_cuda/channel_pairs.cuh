#pragma once

#include "gpu/peaknet_cuda/device.cuh"

// Two neighbouring channels, as they are added up and as they lie in memory.

namespace pnflow::device {

struct FloatPair {
  static constexpr bool limited = false;
  float2 v;
  __device__ static FloatPair of(float2 values) { return {values}; }
  __device__ float2 values() const { return v; }
  __device__ void add_product(const FloatPair& a, const FloatPair& b) {
    v.x = fmaf(a.v.x, b.v.x, v.x);
    v.y = fmaf(a.v.y, b.v.y, v.y);
  }
};

struct HalfPair {
  static constexpr bool limited = true;
  __half2 v;
  __device__ static HalfPair of(float2 values) { return {__float22half2_rn(values)}; }
  __device__ float2 values() const { return __half22float2(v); }
  // Whatever becomes too large on the way to a sum leaves it infinite or a NaN.
  __device__ bool in_range() const {
    return __hble2(__habs2(v), __half2half2(__ushort_as_half(0x7bffU)));
  }
  __device__ void add_product(const HalfPair& a, const HalfPair& b) { v = __hfma2(a.v, b.v, v); }
};

// As they lie in memory.
template <class T>
struct PairInMemory {
  using Type = unsigned;
  template <class Pair>
  static constexpr bool same = std::is_same_v<T, __half>&& std::is_same_v<Pair, HalfPair>;
  template <class Pair>
  __device__ static Pair read(Type raw) {
    if constexpr (same<Pair>) {
      return {half_pair(raw)};
    } else {
      return Pair::of(unpacked_pair<T>(raw));
    }
  }
  template <class Pair>
  __device__ static Type write(const Pair& pair) {
    if constexpr (same<Pair>) {
      return word_of(pair.v);
    } else {
      return packed_pair<T>(pair.values().x, pair.values().y);
    }
  }
};
template <>
struct PairInMemory<float> {
  using Type = float2;
  template <class Pair>
  __device__ static Pair read(Type raw) {
    return Pair::of(raw);
  }
  template <class Pair>
  __device__ static Type write(const Pair& pair) {
    return pair.values();
  }
};

}  // namespace pnflow::device
