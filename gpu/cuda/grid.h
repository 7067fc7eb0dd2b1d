#pragma once

#include <algorithm>
#include <cstddef>

namespace pnflow {

// How many blocks (or parts) of `each` cover `work`.
inline unsigned blocks(std::size_t work, std::size_t each) {
  return static_cast<unsigned>((work + each - 1) / each);
}

// Of a grid whose second axis is an image's rows; CUDA allows so many, and kernels go on from
// there.
inline unsigned grid_rows(std::size_t rows) {
  return static_cast<unsigned>(std::min<std::size_t>(rows, 65535));
}

}  // namespace pnflow
