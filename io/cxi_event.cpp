#include "io/cxi_event.h"

#include <utility>

namespace pnflow {

CxiChunk make_cxi_chunk(Array array, const CxiFormat& format) {
  CxiChunk chunk;
  if (format.compression.kind == CxiCompression::Kind::none) {
    chunk.raw = std::move(array);
  } else {
    chunk.compressed = compress_chunk(array.raw(), array.dtype(), format.compression);
  }
  return chunk;
}

}  // namespace pnflow
