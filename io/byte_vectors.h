#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

// Vectors of bytes for code that is compiled twice, for any CPU and for one with AVX2: everything
// here is inlined into a function that says which, and so takes and gives no vector by value.
namespace pnflow {

#define PNFLOW_INLINE [[gnu::always_inline]] inline

using Lane = std::uint64_t __attribute__((vector_size(16)));
using TwoLanes = std::uint64_t __attribute__((vector_size(32)));
using Bytes16 = std::uint8_t __attribute__((vector_size(16)));
using Bytes32 = std::uint8_t __attribute__((vector_size(32)));

// A lane from `from`; the second one, where there is one, from `step` bytes behind it.
PNFLOW_INLINE void load_lanes(const std::byte* from, std::size_t, Lane& out) {
  std::memcpy(&out, from, sizeof(out));
}
PNFLOW_INLINE void load_lanes(const std::byte* from, std::size_t step, TwoLanes& out) {
  Lane first, second;
  std::memcpy(&first, from, sizeof(first));
  std::memcpy(&second, from + step, sizeof(second));
  out = __builtin_shufflevector(first, second, 0, 1, 2, 3);
}
PNFLOW_INLINE void store_lanes(const Lane& in, std::byte* to, std::size_t) {
  std::memcpy(to, &in, sizeof(in));
}
PNFLOW_INLINE void store_lanes(const TwoLanes& in, std::byte* to, std::size_t step) {
  const Lane first = __builtin_shufflevector(in, in, 0, 1);
  const Lane second = __builtin_shufflevector(in, in, 2, 3);
  std::memcpy(to, &first, sizeof(first));
  std::memcpy(to + step, &second, sizeof(second));
}

// The bytes of the first halves of `a` and `b` in turn, and of their second halves; of each lane by
// itself.
PNFLOW_INLINE void interleave(const Lane& a, const Lane& b, Lane& first, Lane& second) {
  const auto x = reinterpret_cast<Bytes16>(a), y = reinterpret_cast<Bytes16>(b);
  first = reinterpret_cast<Lane>(
      __builtin_shufflevector(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
  second = reinterpret_cast<Lane>(
      __builtin_shufflevector(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31));
}
PNFLOW_INLINE void interleave(const TwoLanes& a, const TwoLanes& b, TwoLanes& first,
                              TwoLanes& second) {
  const auto x = reinterpret_cast<Bytes32>(a), y = reinterpret_cast<Bytes32>(b);
  first = reinterpret_cast<TwoLanes>(
      __builtin_shufflevector(x, y, 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 16, 48,
                              17, 49, 18, 50, 19, 51, 20, 52, 21, 53, 22, 54, 23, 55));
  second = reinterpret_cast<TwoLanes>(
      __builtin_shufflevector(x, y, 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47,
                              24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63));
}

// Deals `count` vectors like cards: what is read through their lanes, one vector after the other,
// is what came byte by byte from the first half of them and the second in turn. log2(count) rounds
// put the bytes of one place side by side, and four more (a lane is 2^4 bytes) undo that.
template <std::size_t rounds, std::size_t count, class Vector>
PNFLOW_INLINE void deal(Vector (&vectors)[count]) {
  for (std::size_t round = 0; round < rounds; ++round) {
    Vector dealt[count];
    for (std::size_t i = 0; i < count / 2; ++i) {
      interleave(vectors[i], vectors[i + count / 2], dealt[2 * i], dealt[2 * i + 1]);
    }
    for (std::size_t i = 0; i < count; ++i) vectors[i] = dealt[i];
  }
}

#if defined(__x86_64__)
#define PNFLOW_AVX2 [[gnu::target("avx2")]]
inline bool has_avx2() { return __builtin_cpu_supports("avx2") != 0; }
#endif

}  // namespace pnflow
