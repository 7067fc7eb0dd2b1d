#include "nodes/cxi_layout.h"

#include <limits>

#include "io/resolution.h"

namespace pnflow {

CxiLayout::CxiLayout(const SlabGeometry* geometry, const CxiFormat& stream)
    : format_(stream), panel_height_(stream.height) {
  if (geometry == nullptr) return;
  slab_.emplace(*geometry, Shape{stream.panels, stream.height, stream.width});
  format_.laboratory = true;
  if (slab_->in_place()) return;
  format_.panels = 1;
  format_.height = slab_->rows();
  format_.width = slab_->columns();
}

Array CxiLayout::image(const Array& event, double fill) const {
  return slab_ ? slab_->to_slab(event, fill) : event;
}

std::optional<Array> CxiLayout::mask(const std::optional<Array>& panels) const {
  if (panels) return image(*panels, 1);
  if (slab_ && slab_->has_gaps()) return slab_->gaps();
  return {};
}

SlabPixel CxiLayout::first_pixel(std::size_t panel) const {
  return slab_ ? slab_->first_pixel(panel) : SlabPixel{panel * panel_height_, 0};
}

void CxiLayout::add_place(CxiPeaks& peaks, std::size_t panel, double camera_length,
                          double photon_energy) const {
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  const LabVector place = slab_->position(panel, peaks.y.back(), peaks.x.back(), camera_length)
                              .value_or(LabVector{unknown, unknown, unknown});
  peaks.lab_x.push_back(place.x);
  peaks.lab_y.push_back(place.y);
  peaks.lab_z.push_back(place.z);
  peaks.resolution.push_back(inverse_resolution(place, photon_energy));
}

}  // namespace pnflow
