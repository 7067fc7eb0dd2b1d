#include "io/cxi_event.h"

#include <utility>

#include "io/codecs.h"
#include "io/scratch.h"

namespace pnflow {

CxiChunk make_cxi_chunk(Array array, const CxiFormat& format) {
  CxiChunk chunk;
  if (!format.gzip_level) {
    chunk.raw = std::move(array);
    return chunk;
  }
  std::span<const std::byte> bytes = array.raw();
  const std::size_t width = size_of(array.dtype());
  thread_local Scratch scratch;
  if (width > 1) {
    const std::span<std::byte> shuffled = scratch.take(bytes.size());
    codecs::shuffle(bytes, width, shuffled);
    bytes = shuffled;
  }
  chunk.compressed = codecs::deflate(bytes, *format.gzip_level);
  // The compressor reserves for the worst case; a message that waits should not hold that.
  chunk.compressed.shrink_to_fit();
  return chunk;
}

}  // namespace pnflow
