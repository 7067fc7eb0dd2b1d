#pragma once

#include <cstddef>
#include <span>

#include "graph/array.h"
#include "io/numpy_type.h"

namespace pnflow {

// What the header of an .npy file says (https://numpy.org/doc/stable/reference/generated/
// numpy.lib.format.html): magic `\x93NUMPY`, version 1 to 3, length of what follows, and a Python
// dictionary of `descr`, `fortran_order` and `shape`.
struct NpyHeader {
  NumpyType type;
  Shape shape;                   // empty for a scalar
  std::size_t header_bytes = 0;  // the array's data begin there
  std::size_t data_bytes = 0;
};

// This many bytes of a file tell how long its header is.
inline constexpr std::size_t npy_prefix_bytes = 12;

// The length of the header, of which `prefix` is the beginning: where the data begin.
// Throws DataError("damaged metadata") for what is no .npy file, or has a header longer than NumPy
// itself reads (10,000 bytes). Pure, as parse_npy_header().
std::size_t npy_header_bytes(std::span<const std::byte> prefix);

// Reads the header at the beginning of `npy`, which need not hold any data. The dictionary is read
// as NumPy writes it, and nothing is evaluated. Throws DataError: "damaged metadata"; "wrong dtype"
// with the name of a type that messages cannot have; "wrong shape" for negative extents or more
// than 64 axes; "implausible size" when the number of bytes is beyond 64 bits; "unsupported layout"
// for an array of several axes in Fortran order.
NpyHeader parse_npy_header(std::span<const std::byte> npy);

// Bytes of an array. Throws DataError("implausible size") when that overflows.
std::size_t numpy_bytes(const NumpyType& type, const Shape& shape);

}  // namespace pnflow
