#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "graph/array.h"
#include "graph/dtype.h"

namespace pnflow {

// One dataset of a message to be written.
struct Hdf5Field {
  std::string path;  // "/data/data"
  DType dtype = DType::u8;
  Shape shape;  // (B,) or (B,)+event; no extent is 0
  std::span<const std::byte> data;
};

enum class Hdf5Compression { none, gzip, bitshuffle_lz4 };

// A whole HDF5 file in memory as LCLStreamer's HDF5BinarySerializer makes it: chunks of one event,
// every field through the same filter, which is flagged optional; earliest file format, no
// attributes, no times, so the same fields give the same bytes. Readable by h5py (bitshuffle with
// hdf5plugin). Compresses outside HDF5's lock. Thread-safe.
// Throws std::invalid_argument (shape and data disagree, two fields of one path), std::bad_alloc.
std::vector<std::byte> write_hdf5_message(std::span<const Hdf5Field> fields,
                                          Hdf5Compression compression);

}  // namespace pnflow
