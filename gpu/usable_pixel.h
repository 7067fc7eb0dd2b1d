#pragma once

#include <limits>
#include <type_traits>

#include "gpu/host_device.h"

namespace pnflow {

// Whether a pixel's value is one in float32: not NaN, not infinite, not too large. The rule of
// gpu/preprocess.h, for the CPU and for kernels.
template <class T>
PNFLOW_HOST_DEVICE bool usable_pixel(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    constexpr auto most = static_cast<T>(std::numeric_limits<float>::max());
    return value >= -most && value <= most;
  }
  return true;
}

}  // namespace pnflow
