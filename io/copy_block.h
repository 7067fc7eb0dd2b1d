#pragma once

#include <cstddef>
#include <cstring>
#include <span>

namespace pnflow {

inline std::size_t product(std::span<const std::size_t> extents) {
  std::size_t product = 1;
  for (const std::size_t extent : extents) product *= extent;
  return product;
}

// Copies the part of a chunk that belongs to the event's array, axis by axis: `extent` elements per
// axis, rows at the last one. `from` and `to` have the shapes `from_shape` and `to_shape`.
inline void copy_block(std::span<const std::size_t> extent, std::span<const std::size_t> from_shape,
                       std::span<const std::size_t> to_shape, std::size_t element_bytes,
                       const std::byte* from, std::byte* to) {
  if (extent.size() <= 1) {
    std::memcpy(to, from, (extent.empty() ? 1 : extent[0]) * element_bytes);
    return;
  }
  const std::size_t from_step = product(from_shape.subspan(1)) * element_bytes;
  const std::size_t to_step = product(to_shape.subspan(1)) * element_bytes;
  for (std::size_t i = 0; i < extent[0]; ++i) {
    copy_block(extent.subspan(1), from_shape.subspan(1), to_shape.subspan(1), element_bytes,
               from + i * from_step, to + i * to_step);
  }
}

}  // namespace pnflow
