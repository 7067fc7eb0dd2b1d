#pragma once

#include <cmath>

#include "gpu/host_device.h"

namespace pnflow {

// 2 sqrt(n + 3/8) for n photons, which makes the spread of a Poisson distribution 1 whatever its
// mean, from some four photons on (F. J. Anscombe, Biometrika 35 (1948) 246); less what that is at
// 0, so that no photon is 0 as a bad pixel and padding are. Below 0 there is noise, which is 0
// photons. The same bits on the CPU and in a kernel: a square root is rounded exactly, and a
// product with 2 is exact.
PNFLOW_HOST_DEVICE inline float anscombe(float photons) {
  constexpr float offset = 0.375F;
  constexpr float at_zero = 1.2247449F;
  const float counted = photons > 0 ? photons : 0.0F;
  return 2 * std::sqrt(counted + offset) - at_zero;
}

}  // namespace pnflow
