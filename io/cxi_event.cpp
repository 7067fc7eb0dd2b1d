#include "io/cxi_event.h"

namespace pnflow {

Array make_cxi_chunk(const Array& array, const CxiFormat& format) {
  if (format.compression.kind == CxiCompression::Kind::none) return array;
  return compress_chunk(array.raw(), array.dtype(), format.compression);
}

}  // namespace pnflow
