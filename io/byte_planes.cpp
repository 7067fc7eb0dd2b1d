#include "io/byte_planes.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "io/byte_vectors.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace pnflow::codecs {
namespace {

constexpr std::size_t lane = sizeof(Lane);

constexpr std::size_t rounds_of(std::size_t width) { return width == 2 ? 1 : width == 4 ? 2 : 3; }

// Sixteen elements at a time: a vector of each plane, dealt until their bytes stand together.
// Returns how many elements that were.
template <std::size_t width, bool past_caches>
std::size_t planes_to_most_elements(const std::byte* planes, std::size_t elements, std::byte* out) {
  std::size_t i = 0;
  for (; i + lane <= elements; i += lane) {
    Lane v[width];
    for (std::size_t b = 0; b < width; ++b) load_lanes(planes + b * elements + i, lane, v[b]);
    deal<rounds_of(width)>(v);
    for (std::size_t b = 0; b < width; ++b) {
      std::byte* const to = out + i * width + b * lane;
#ifdef __SSE2__
      if constexpr (past_caches) {
        _mm_stream_si128(reinterpret_cast<__m128i*>(to), reinterpret_cast<__m128i>(v[b]));
        continue;
      }
#endif
      store_lanes(v[b], to, lane);
    }
  }
#ifdef __SSE2__
  if constexpr (past_caches) _mm_sfence();
#endif
  return i;
}

template <std::size_t width>
void planes_to_elements_of(const std::byte* planes, std::size_t elements, std::byte* out,
                           bool past_caches) {
  const bool aligned = reinterpret_cast<std::uintptr_t>(out) % lane == 0;
  std::size_t i = past_caches && aligned
                      ? planes_to_most_elements<width, true>(planes, elements, out)
                      : planes_to_most_elements<width, false>(planes, elements, out);
  for (; i < elements; ++i) {
    for (std::size_t b = 0; b < width; ++b) out[i * width + b] = planes[b * elements + i];
  }
}

// The other way: four more rounds (a lane has 2^4 bytes) bring each byte back to its plane.
template <std::size_t width>
void elements_of_to_planes(const std::byte* in, std::size_t elements, std::byte* planes) {
  std::size_t i = 0;
  for (; i + lane <= elements; i += lane) {
    Lane v[width];
    for (std::size_t b = 0; b < width; ++b) load_lanes(in + i * width + b * lane, lane, v[b]);
    deal<4>(v);
    for (std::size_t b = 0; b < width; ++b) store_lanes(v[b], planes + b * elements + i, lane);
  }
  for (; i < elements; ++i) {
    for (std::size_t b = 0; b < width; ++b) planes[b * elements + i] = in[i * width + b];
  }
}

// Elements of any width in blocks that stay in the cache while byte after byte of them is taken:
// written side by side, the planes of an image would push each other out.
void elements_to_planes_by_blocks(const std::byte* __restrict in, std::size_t elements,
                                  std::size_t width, std::byte* __restrict planes) {
  constexpr std::size_t block_bytes = std::size_t{1} << 14U;
  const std::size_t block = std::max<std::size_t>(1, block_bytes / width);
  for (std::size_t first = 0; first < elements; first += block) {
    const std::size_t last = std::min(elements, first + block);
    for (std::size_t b = 0; b < width; ++b) {
      for (std::size_t i = first; i < last; ++i) planes[b * elements + i] = in[i * width + b];
    }
  }
}

}  // namespace

void elements_to_planes(const std::byte* in, std::size_t elements, std::size_t width,
                        std::byte* planes) {
  switch (width) {
    case 1: std::copy_n(in, elements, planes); break;
    case 2: elements_of_to_planes<2>(in, elements, planes); break;
    case 4: elements_of_to_planes<4>(in, elements, planes); break;
    case 8: elements_of_to_planes<8>(in, elements, planes); break;
    default: elements_to_planes_by_blocks(in, elements, width, planes);
  }
}

void planes_to_elements(const std::byte* planes, std::size_t elements, std::size_t width,
                        std::byte* out, bool past_caches) {
  switch (width) {
    case 1: std::copy_n(planes, elements, out); break;
    case 2: planes_to_elements_of<2>(planes, elements, out, past_caches); break;
    case 4: planes_to_elements_of<4>(planes, elements, out, past_caches); break;
    case 8: planes_to_elements_of<8>(planes, elements, out, past_caches); break;
    default:
      for (std::size_t b = 0; b < width; ++b) {
        for (std::size_t i = 0; i < elements; ++i) out[i * width + b] = planes[b * elements + i];
      }
  }
}

}  // namespace pnflow::codecs
