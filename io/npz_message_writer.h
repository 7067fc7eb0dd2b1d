#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "io/named_array.h"

namespace pnflow {

enum class NpzCompression { stored, deflate };

// A NumPy archive as LCLStreamer's NumpyBinarySerializer makes it with np.savez or
// np.savez_compressed: a zip file of NAME.npy members (NumPy's format version 1.0) whose local
// headers are zip64, with no data descriptors and no times, so the same arrays give the same bytes;
// stored, they are those of np.savez of NumPy 2. Thread-safe.
// Throws std::invalid_argument (shape and data disagree, two arrays of one name, an array or the
// whole of 4 GiB or more, a name of 64 KiB or more), std::bad_alloc.
std::vector<std::byte> write_npz_message(std::span<const NamedArray> arrays,
                                         NpzCompression compression);

}  // namespace pnflow
