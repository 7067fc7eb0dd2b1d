#pragma once

#include <libdeflate.h>

#include <cstddef>

namespace pnflow::codecs {

// libdeflate's working memory of the calling thread, made on first use. Throws std::bad_alloc.
libdeflate_decompressor* thread_decompressor();

// Throws DataError("damaged chunk") unless a stream of `stored` bytes has been decompressed into
// the room for `room` bytes that it was given.
void check_inflated(libdeflate_result result, std::size_t stored, std::size_t room);

}  // namespace pnflow::codecs
