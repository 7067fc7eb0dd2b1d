#include "io/large_copy.h"

#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>

#include <algorithm>
#include <cstdint>
#endif

namespace pnflow {

#ifdef __SSE2__

void copy_pixels(std::span<const std::byte> from, std::span<std::byte> out) {
  constexpr std::size_t line = 64;
  std::size_t at = 0;
  if (out.size() >= large_bytes) {
    at = (line - reinterpret_cast<std::uintptr_t>(out.data()) % line) % line;
    std::memcpy(out.data(), from.data(), at);
    for (; at + line <= out.size(); at += line) {
      const auto* const in = reinterpret_cast<const __m128i*>(from.data() + at);
      auto* const to = reinterpret_cast<__m128i*>(out.data() + at);
      const __m128i a = _mm_loadu_si128(in);
      const __m128i b = _mm_loadu_si128(in + 1);
      const __m128i c = _mm_loadu_si128(in + 2);
      const __m128i d = _mm_loadu_si128(in + 3);
      _mm_stream_si128(to, a);
      _mm_stream_si128(to + 1, b);
      _mm_stream_si128(to + 2, c);
      _mm_stream_si128(to + 3, d);
    }
    _mm_sfence();
  }
  if (at < out.size()) std::memcpy(out.data() + at, from.data() + at, out.size() - at);
}

#else

void copy_pixels(std::span<const std::byte> from, std::span<std::byte> out) {
  if (!out.empty()) std::memcpy(out.data(), from.data(), out.size());
}

#endif

}  // namespace pnflow
