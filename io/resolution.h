#pragma once

#include "io/crystfel_geometry.h"

namespace pnflow {

// 1/d in 1/nm at a place of the laboratory whose origin is the sample: 2 sin(theta) / wavelength,
// where 2 theta is the angle to the beam. `photon_energy` in eV. NaN where one of them is, and
// without a photon energy (0 or less). Thread-safe.
double inverse_resolution(const LabVector& place, double photon_energy);

}  // namespace pnflow
