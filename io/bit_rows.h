#pragma once

#include <cstddef>

namespace pnflow::codecs {

// Bitshuffle turns a plane of bytes (byte b of all elements) into eight rows of bits: bit 0 of all
// its bytes, then bit 1, and so on, the first byte's in the lowest bit. `row_bytes` is the length
// of a row, an eighth of the plane's. In and out must not overlap. Thread-safe.
void rows_to_bytes(const std::byte* rows, std::size_t row_bytes, std::byte* plane);
void bytes_to_rows(const std::byte* plane, std::size_t row_bytes, std::byte* rows);

}  // namespace pnflow::codecs
