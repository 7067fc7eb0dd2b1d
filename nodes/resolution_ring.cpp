#include "nodes/resolution_ring.h"

#include <cmath>
#include <limits>

#include "io/resolution.h"
#include "nodes/event_number.h"

namespace pnflow {
namespace {

Shape event_shape(const Batch& batch) {
  const Shape& shape = batch.array("image").shape();
  return {shape.begin() + 1, shape.end()};
}

}  // namespace

ResolutionRing::ResolutionRing(const std::string& geometry_file, std::optional<double> least,
                               std::optional<double> most)
    : geometry(geometry_file),
      min(least.value_or(0)),
      max(most.value_or(std::numeric_limits<double>::infinity())) {}

RingOfEvent::RingOfEvent(const ResolutionRing& ring, const Batch& batch, std::size_t event)
    : ring_(&ring),
      layout_(ring.geometry, event_shape(batch)),
      camera_length_(ring.geometry.camera_length(number_of(batch, "encoder", event))),
      photon_energy_(photon_energy_of(batch, event, &ring.geometry)) {}

bool RingOfEvent::has(std::size_t panel, double y, double x) {
  const SlabPixel first = layout_.first_pixel(panel);
  const auto place = layout_.position(panel, static_cast<double>(first.ss) + y,
                                      static_cast<double>(first.fs) + x, camera_length_);
  const double resolution =
      place ? inverse_resolution(*place, photon_energy_) : std::numeric_limits<double>::quiet_NaN();
  if (std::isnan(resolution)) {
    ++unknown_;
  } else if (resolution < ring_->min) {
    ++below_;
  } else if (resolution > ring_->max) {
    ++above_;
  } else {
    return true;
  }
  return false;
}

void RingOfEvent::report(const Context& context) const {
  if (below_ > 0) context.count("peaks_below_min_resolution", below_);
  if (above_ > 0) context.count("peaks_above_max_resolution", above_);
  if (unknown_ > 0) context.count("peaks_without_resolution", unknown_);
}

}  // namespace pnflow
