#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "graph/dtype.h"

namespace pnflow {

// Of the pixels of any number of images. For one thread at a time.
struct PixelStatistics {
  double min = std::numeric_limits<double>::infinity();  // of the finite pixels
  double max = -std::numeric_limits<double>::infinity();
  double sum = 0;
  std::uint64_t finite = 0;
  std::uint64_t non_finite = 0;  // NaN and infinite

  // Adds the pixels of an image; `pixels` is aligned to the element and a multiple of its size.
  void add(std::span<const std::byte> pixels, DType dtype);
  void add(const PixelStatistics& other);
  // NaN when there is no finite pixel.
  double mean() const { return sum / static_cast<double>(finite); }
};

}  // namespace pnflow
