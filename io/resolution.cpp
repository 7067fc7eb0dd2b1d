#include "io/resolution.h"

#include <cmath>
#include <limits>

#include "io/timestamps.h"

namespace pnflow {

double inverse_resolution(const LabVector& place, double photon_energy) {
  constexpr double angstrom_per_nm = 10;
  if (!(photon_energy > 0)) return std::numeric_limits<double>::quiet_NaN();
  // One is 12398.4193 over the other in both directions.
  const double wavelength = photon_energy_ev(photon_energy) / angstrom_per_nm;
  const double two_theta = std::atan2(std::hypot(place.x, place.y), place.z);
  return 2 * std::sin(two_theta / 2) / wavelength;
}

}  // namespace pnflow
