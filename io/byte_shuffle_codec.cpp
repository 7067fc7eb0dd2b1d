#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "graph/error.h"
#include "io/codecs.h"
#include "io/large_copy.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace pnflow::codecs {
namespace {

#ifdef __SSE2__

template <std::size_t count>
struct Registers {
  __m128i at[count];
};

// Sixteen elements at a time: a register of each byte plane, dealt like cards until their bytes
// stand together.
template <std::size_t width, bool past_caches>
std::size_t unshuffle_sixteens(const std::byte* in, std::size_t elements, std::byte* out) {
  constexpr std::size_t step = sizeof(__m128i);
  std::size_t i = 0;
  for (; i + step <= elements; i += step) {
    Registers<width> planes;
    for (std::size_t b = 0; b < width; ++b) {
      planes.at[b] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + b * elements + i));
    }
    for (std::size_t round = 1; round < width; round *= 2) {
      Registers<width> dealt;
      for (std::size_t b = 0; b < width / 2; ++b) {
        dealt.at[2 * b] = _mm_unpacklo_epi8(planes.at[b], planes.at[b + width / 2]);
        dealt.at[2 * b + 1] = _mm_unpackhi_epi8(planes.at[b], planes.at[b + width / 2]);
      }
      planes = dealt;
    }
    auto* const to = reinterpret_cast<__m128i*>(out + i * width);
    for (std::size_t b = 0; b < width; ++b) {
      if constexpr (past_caches) {
        _mm_stream_si128(to + b, planes.at[b]);
      } else {
        _mm_storeu_si128(to + b, planes.at[b]);
      }
    }
  }
  if constexpr (past_caches) _mm_sfence();
  return i;
}

template <std::size_t width>
std::size_t unshuffle_most(const std::byte* in, std::size_t elements, std::byte* out) {
  const bool aligned = reinterpret_cast<std::uintptr_t>(out) % sizeof(__m128i) == 0;
  return aligned && elements * width >= large_bytes
             ? unshuffle_sixteens<width, true>(in, elements, out)
             : unshuffle_sixteens<width, false>(in, elements, out);
}

#else

template <std::size_t width>
std::size_t unshuffle_most(const std::byte*, std::size_t, std::byte*) {
  return 0;
}

#endif

template <std::size_t width>
void unshuffle_elements(const std::byte* in, std::size_t elements, std::byte* out) {
  for (std::size_t i = unshuffle_most<width>(in, elements, out); i < elements; ++i) {
    for (std::size_t b = 0; b < width; ++b) out[i * width + b] = in[b * elements + i];
  }
}

// With a width of 2 or 4 that the compiler knows these become vector instructions.
template <std::size_t width>
void shuffle_elements(const std::byte* __restrict in, std::size_t elements,
                      std::byte* __restrict out) {
  for (std::size_t i = 0; i < elements; ++i) {
    for (std::size_t b = 0; b < width; ++b) out[b * elements + i] = in[i * width + b];
  }
}

// Wider elements in blocks that stay in the cache while byte after byte of them is taken: written
// side by side, the planes of an image would push each other out.
void shuffle_blocks(const std::byte* __restrict in, std::size_t elements, std::size_t width,
                    std::byte* __restrict out) {
  constexpr std::size_t block_bytes = std::size_t{1} << 14U;
  const std::size_t block = std::max<std::size_t>(1, block_bytes / width);
  for (std::size_t first = 0; first < elements; first += block) {
    const std::size_t last = std::min(elements, first + block);
    for (std::size_t b = 0; b < width; ++b) {
      for (std::size_t i = first; i < last; ++i) out[b * elements + i] = in[i * width + b];
    }
  }
}

}  // namespace

void unshuffle(ConstBytes stored, std::size_t element_bytes, Bytes out) {
  if (stored.size() != out.size()) {
    throw DataError("damaged chunk", fmt::format("{} shuffled bytes where {} were expected",
                                                 stored.size(), out.size()));
  }
  // A width that the writer did not mean may be any number; one beyond the data moves nothing.
  const std::size_t width = std::clamp<std::size_t>(element_bytes, 1, stored.size() + 1);
  const std::size_t elements = stored.size() / width;
  switch (width) {
    case 2: unshuffle_elements<2>(stored.data(), elements, out.data()); break;
    case 4: unshuffle_elements<4>(stored.data(), elements, out.data()); break;
    case 8: unshuffle_elements<8>(stored.data(), elements, out.data()); break;
    default:
      for (std::size_t b = 0; b < width; ++b) {
        for (std::size_t i = 0; i < elements; ++i) out[i * width + b] = stored[b * elements + i];
      }
  }
  std::ranges::copy(stored.subspan(elements * width), out.begin() + elements * width);
}

void shuffle(ConstBytes raw, std::size_t element_bytes, Bytes out) {
  const std::size_t width = std::clamp<std::size_t>(element_bytes, 1, raw.size() + 1);
  const std::size_t elements = raw.size() / width;
  switch (width) {
    case 2: shuffle_elements<2>(raw.data(), elements, out.data()); break;
    case 4: shuffle_elements<4>(raw.data(), elements, out.data()); break;
    default: shuffle_blocks(raw.data(), elements, width, out.data());
  }
  std::ranges::copy(raw.subspan(elements * width), out.begin() + elements * width);
}

}  // namespace pnflow::codecs
