#pragma once

#include <cstddef>

#include "io/codecs.h"

namespace pnflow::codecs {

// Raw deflate streams (RFC 1951), as ZIP archives hold them. Thread-safe; neither reads nor writes
// outside the spans.

// A stream of n bytes holds at most this many times n: 258 bytes for two bits.
inline constexpr std::size_t max_deflate_ratio = 1032;

// All of a stream that holds exactly `out.size()` bytes. Throws DataError("damaged chunk").
void inflate_raw(ConstBytes stored, Bytes out);

// The first `out.size()` bytes of what a stream holds; the number of bytes that there were, fewer
// when it holds no more. Throws DataError("damaged chunk") when it is corrupt before that.
std::size_t inflate_raw_beginning(ConstBytes stored, Bytes out);

}  // namespace pnflow::codecs
