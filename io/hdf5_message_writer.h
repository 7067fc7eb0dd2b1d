#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "io/named_array.h"

namespace pnflow {

enum class Hdf5Compression { none, gzip, bitshuffle_lz4 };

// A whole HDF5 file in memory as LCLStreamer's HDF5BinarySerializer makes it: each array is a
// dataset that its name is the path of, in chunks of one event, through the same filter, which is
// flagged optional; earliest file format, no attributes, no times, so the same fields give the same
// bytes. Readable by h5py (bitshuffle with hdf5plugin). Compresses outside HDF5's lock.
// Thread-safe. Throws std::invalid_argument (shape and data disagree, two fields of one path),
// std::bad_alloc.
std::vector<std::byte> write_hdf5_message(std::span<const NamedArray> fields,
                                          Hdf5Compression compression);

}  // namespace pnflow
