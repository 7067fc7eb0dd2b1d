#include "io/thread_decompressor.h"

#include <fmt/format.h>

#include <memory>
#include <new>

#include "graph/error.h"

namespace pnflow::codecs {
namespace {

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
};

}  // namespace

libdeflate_decompressor* thread_decompressor() {
  thread_local const std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor(
      libdeflate_alloc_decompressor());
  if (!decompressor) throw std::bad_alloc();
  return decompressor.get();
}

void check_inflated(libdeflate_result result, std::size_t stored, std::size_t room) {
  switch (result) {
    case LIBDEFLATE_SUCCESS: return;
    case LIBDEFLATE_SHORT_OUTPUT:
      throw DataError("damaged chunk",
                      fmt::format("deflate stream holds fewer than {} bytes", room));
    case LIBDEFLATE_INSUFFICIENT_SPACE:
      throw DataError("damaged chunk",
                      fmt::format("deflate stream holds more than {} bytes", room));
    default:
      throw DataError("damaged chunk",
                      fmt::format("deflate stream of {} bytes is corrupt", stored));
  }
}

}  // namespace pnflow::codecs
