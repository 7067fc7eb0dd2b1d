#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "io/named_array.h"

namespace pnflow {

// A message as LCLStreamer's FastBinarySerializer makes it (branch feature/fast_binary_serializer,
// "NPAY"): little endian, unaligned, uncompressed. `YAPN`, uint32 version 1, uint32 number of
// arrays; for each uint32 length and name, uint32 length and NumPy's name of the type, uint32
// number of axes, int64 extents, uint8 compression 0, uint64 size, uint64 size as stored, data.
// Thread-safe. Throws std::invalid_argument (shape and data disagree), std::bad_alloc.
std::vector<std::byte> write_npay_message(std::span<const NamedArray> arrays);

}  // namespace pnflow
