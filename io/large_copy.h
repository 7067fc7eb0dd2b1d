#pragma once

#include <cstddef>
#include <span>

namespace pnflow {

// What is larger than a core's caches does not stay there until somebody reads it: writing it past
// them takes a third off the memory traffic, because the old content is not fetched first.
inline constexpr std::size_t large_bytes = std::size_t{1} << 20U;

// memcpy() for pixels: past the caches when they are large. `out` is as long as `from`.
void copy_pixels(std::span<const std::byte> from, std::span<std::byte> out);

}  // namespace pnflow
