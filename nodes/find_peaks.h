#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "graph/node.h"
#include "graph/spec.h"
#include "nodes/connected_components.h"
#include "nodes/peak_table.h"
#include "nodes/resolution_ring.h"

namespace pnflow {

class SegmapView;

// What a peak's position is: the mean of its pixels' indices, or their mean weighted by the raw
// intensity above the background.
enum class PeakPosition : std::uint8_t { center_of_mass, intensity };

// Segmentation maps to peaks: one peak for each connected component of a panel's map, with its
// position in the panel as received and its properties from the raw pixels.
//
// Reads "segmap", "image" and, when it is there, "mask": segmap_view.h has their forms. Adds the
// table "peaks": peak_table.h has its columns, peak_properties.h their definitions. Rows are in
// order of panel, then of label; labels count in raster order of each component's first pixel.
//
// * Components are found in the map as the model gave it, padding included, so that one that
//   crosses the edge of the image is one. A peak is dropped (count "peaks_in_padding") unless the
//   mean of its pixels lies in [-0.5, H - 0.5) x [-0.5, W - 0.5) of the image.
// * `npix` counts the component's pixels in the map, those in the padding or masked too; its box is
//   cut off at the image's edge; intensities are those of usable pixels.
// * With `position: intensity` the weights are max(v - background, 0). Where they add up to
//   nothing the mean of the pixel indices stands in.
// * An event with fewer than `min_num_peak` peaks after the filters is vetoed, "few peaks". Of one
//   with more than `max_num_peak` the strongest by total intensity are kept, in the same order, and
//   the rest counted as "peaks_cut". Rows of an event that is not alive: none.
// * With `split` a component that holds several maxima becomes as many peaks: peak_splitter.h. They
//   stand where the component would, and everything here is said of each of them.
// * Further counts, of living events: "peaks_found" in the image, before filters and cut;
//   "peaks_from_splits" how many more there are, padding included, because components were split;
//   "peaks_too_small", "peaks_too_large", "peaks_too_weak" (SNR), "peaks_too_faint"
//   (total) what each filter has dropped, the first one in this order; last, what is not in the
//   ring of `min_resolution` to `max_resolution`: resolution_ring.h.
class FindPeaks : public Transform {
 public:
  struct Params {
    Connectivity connectivity = Connectivity::eight;
    PeakPosition position = PeakPosition::center_of_mass;
    int min_num_peak = 10;
    int max_num_peak = 2048;
    int background_radius = 5;
    int min_pixels = 1;
    std::optional<int> max_pixels;
    std::optional<double> min_snr;
    std::optional<double> min_intensity;
    bool split = false;
    double split_depth = 0.5;
    std::optional<std::string> geometry;
    std::optional<double> min_resolution, max_resolution;  // 1/nm

    bool has_ring() const { return min_resolution || max_resolution; }
  };
  static void describe(Spec<Params>& spec);

  explicit FindPeaks(Params params) : params_(std::move(params)) {}

  // Reads the geometry, where it is needed. Throws what ResolutionRing throws.
  void open(OpenContext& context) override;

  // Throws DataError as SegmapView and RingOfEvent do. May run for several messages at once.
  Batch process(const Batch& batch, Context& context) const;

 private:
  struct Counts {
    std::uint64_t found = 0, from_splits = 0, in_padding = 0;
    std::uint64_t too_small = 0, too_large = 0, too_weak = 0, too_faint = 0;
    std::uint64_t outside_ring = 0;

    std::uint64_t kept() const {
      return found - too_small - too_large - too_weak - too_faint - outside_ring;
    }
    void report(const Context& context, std::size_t stored) const;
  };

  void find_in_panel(const SegmapView& view, std::size_t event, std::size_t panel,
                     RingOfEvent* ring, StrongestPeaks& peaks, Counts& counts) const;
  bool right_size(const Peak& peak, Counts& counts) const;
  bool strong_enough(const Peak& peak, Counts& counts) const;

  Params params_;
  std::unique_ptr<const ResolutionRing> ring_;  // from open() on, where there is one
};

}  // namespace pnflow
