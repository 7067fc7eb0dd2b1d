#pragma once

#include <cstddef>

#include "graph/array.h"
#include "graph/batch.h"
#include "io/cxi_event.h"

namespace pnflow {

// What the model gave for one event, without the padding that it needed, in the layout of the
// event's image: panels * height rows of `format.width`. The batch's integer attributes
// segmap_height, segmap_width, segmap_top and segmap_left say how large the model's images are and
// where the image lies in them; absent, there is no padding. Thread-safe.
// Throw DataError: "missing field", "wrong shape", "wrong dtype".

// Field `segmap`: uint8 (B,[C,]H,W), or uint64 (B,[C,]H,ceil(W/64)) with one bit a pixel, least
// significant first. The result is uint8.
Array segmap_of(const Batch& batch, std::size_t event, const CxiFormat& format);

// Field `logits`: float32 (B,[C,]2,H,W). The result is float32, of class `which`, 0 or 1.
Array logits_of(const Batch& batch, std::size_t event, std::size_t which, const CxiFormat& format);

}  // namespace pnflow
