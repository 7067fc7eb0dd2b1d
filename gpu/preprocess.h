#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/engine_settings.h"
#include "gpu/map_geometry.h"
#include "graph/dtype.h"

namespace pnflow {

// From one raw image to what a network takes: padded and normalised, in float32. The reference
// for every device.
//
// `raw` holds height rows of width elements of `dtype`, geometry.stride elements apart, `bad` as
// many bytes (not 0 = bad pixel), laid out in the same way, or is nullptr; `out` takes map_height x
// map_width values. Bad pixels, and those that are not finite in float32, are left out of mean and
// variance and enter as 0 whatever the normalisation. Variance is the population's; both are
// computed in double. An image without a good pixel becomes 0. Thread-safe, throws nothing.
void preprocess(const std::byte* raw, DType dtype, const std::uint8_t* bad,
                const MapGeometry& geometry, Normalize normalize, const NormalizeSettings& settings,
                float* out);

}  // namespace pnflow
