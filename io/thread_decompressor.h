#pragma once

#include <libdeflate.h>

namespace pnflow::codecs {

// libdeflate's working memory of the calling thread, made on first use. Throws std::bad_alloc.
libdeflate_decompressor* thread_decompressor();

}  // namespace pnflow::codecs
