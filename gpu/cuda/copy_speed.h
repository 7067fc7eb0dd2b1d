#pragma once

#include "gpu/device_description.h"

namespace pnflow {

// Copies blocks of 256 MiB, which are those of nothing else, and takes the median of several.
// Throws CudaError and std::bad_alloc.
CopySpeeds measure_copy_speeds(int device);

}  // namespace pnflow
