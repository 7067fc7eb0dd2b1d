#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "graph/batch.h"
#include "graph/context.h"
#include "graph/spec.h"
#include "io/slab_geometry.h"
#include "nodes/slab_layout.h"

namespace pnflow {

// A ring of resolutions around the beam, 1/d in 1/nm, both ends included.
struct ResolutionRing {
  // Reads the CrystFEL geometry; throws what SlabGeometry throws.
  ResolutionRing(const std::string& geometry_file, std::optional<double> min,
                 std::optional<double> max);

  SlabGeometry geometry;
  double min, max;
};

// The ring on the detector for one event, whose camera length and photon energy it takes from the
// fields `encoder` and `photon_energy`, where the geometry does not say them; and how many of the
// event's peaks are not in it. Refers to the ring. For one thread at a time.
class RingOfEvent {
 public:
  // Throws DataError("wrong shape") when the geometry does not fit the images, or a field is not
  // one number per event.
  RingOfEvent(const ResolutionRing& ring, const Batch& batch, std::size_t event);

  // Whether position (y, x) in a panel of the images is in the ring. One that has no resolution,
  // without camera length or photon energy and between the geometry's panels, is not.
  bool has(std::size_t panel, double y, double x);

  // How many were not.
  std::uint64_t dropped() const { return below_ + above_ + unknown_; }
  // The same by reason, as counts "peaks_below_min_resolution", "peaks_above_max_resolution" and
  // "peaks_without_resolution".
  void report(const Context& context) const;

 private:
  const ResolutionRing* ring_;
  SlabLayout layout_;
  double camera_length_, photon_energy_;
  std::uint64_t below_ = 0, above_ = 0, unknown_ = 0;
};

// Parameters `geometry`, `min_resolution` and `max_resolution` of a node's Params, and the fields
// that they need. P::has_ring(): one of the latter is given.
template <class P>
void describe_ring(Spec<P>& spec) {
  spec.reads("photon_energy")
      .dtypes({DType::f64, DType::f32})
      .rank(1)
      .optional()
      .when(std::mem_fn(&P::has_ring))
      .help("eV, for the resolution of peaks");
  spec.reads("encoder")
      .dtypes({DType::f32, DType::f64})
      .rank(1)
      .optional()
      .when(std::mem_fn(&P::has_ring))
      .help("camera length, where the geometry leaves it to the data");
  spec.param("geometry", &P::geometry)
      .shared()
      .help("CrystFEL geometry, for the resolution of peaks");
  spec.param("min_resolution", &P::min_resolution)
      .at_least(0)
      .unit("1/nm")
      .help("peaks with a lower 1/d are dropped and counted; 2: d of 5 angstrom and below");
  spec.param("max_resolution", &P::max_resolution)
      .at_least(0)
      .unit("1/nm")
      .help("peaks with a higher 1/d are dropped and counted");
  spec.check("max_resolution", [](const P& p) -> std::optional<std::string> {
    if (p.has_ring() && !p.geometry) {
      return "'min_resolution' and 'max_resolution' need 'geometry'";
    }
    if (p.min_resolution && p.max_resolution && *p.max_resolution < *p.min_resolution) {
      return "'max_resolution' must not be less than 'min_resolution'";
    }
    return {};
  });
}

}  // namespace pnflow
