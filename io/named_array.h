#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "graph/array.h"
#include "graph/dtype.h"

namespace pnflow {

// One array of a message to be written, whatever the format. The data must outlive it.
struct NamedArray {
  std::string name;  // "/data/data" in HDF5, "detector_data" in npz
  DType dtype = DType::u8;
  Shape shape;  // (B,) or (B,)+event; no extent is 0
  std::span<const std::byte> data;
};

// Throws std::invalid_argument unless the shape is as above and the data are as long as it says.
void check_named_array(const NamedArray& array);

// The name that NumPy writes into files: "<u2", "|u1".
std::string numpy_descr(DType dtype);

}  // namespace pnflow
