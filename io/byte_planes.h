#pragma once

#include <cstddef>

namespace pnflow::codecs {

// Shuffling and its inverse between memory that does not overlap: byte b of element i is at
// i * width + b among the elements, and at b * elements + i in the planes. Thread-safe.
void elements_to_planes(const std::byte* in, std::size_t elements, std::size_t width,
                        std::byte* planes);
// `past_caches`: the elements are part of something so large that nobody reads them from a cache.
void planes_to_elements(const std::byte* planes, std::size_t elements, std::size_t width,
                        std::byte* out, bool past_caches);

}  // namespace pnflow::codecs
