#pragma once

#include <cstddef>

#include "graph/array.h"
#include "graph/batch.h"
#include "io/cxi_event.h"

namespace pnflow {

// What the model gave for one event, without the padding that it needed, in the layout of the
// event's image: panels * height rows of `format.width`. The batch's attributes say where the image
// lies in what the model saw (nodes/segmap_window.h). Thread-safe.
// Throw DataError: "missing field", "wrong shape", "wrong dtype".

// Field `segmap`: uint8 (B,[C,]H,W), or uint64 (B,[C,]H,ceil(W/64)) with one bit a pixel, least
// significant first. The result is uint8, 0 where the model did not look.
Array segmap_of(const Batch& batch, std::size_t event, const CxiFormat& format);

// Field `logits`: float32 (B,[C,]2,H,W). The result is float32, of class `which`, 0 or 1; NaN
// where the model did not look.
Array logits_of(const Batch& batch, std::size_t event, std::size_t which, const CxiFormat& format);

}  // namespace pnflow
