#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "graph/array.h"
#include "graph/spec.h"
#include "io/mask_file.h"
#include "io/slab_geometry.h"

namespace pnflow {

// Parameter `mask` of the nodes that give images: a file, or { file, dataset }.
struct MaskSource {
  std::string file, dataset;
  static void describe(Spec<MaskSource>& spec);
};

// The pixels that a detector is known not to measure: those of a mask file, and those that a
// CrystFEL geometry leaves out: its bad regions, and pixels that belong to none of its panels.
// Safe to use from any thread.
class DetectorMask {
 public:
  // Reads the files; what is not given adds nothing. Bits of the mask file are good and bad as the
  // geometry says, where it has a mask of that data set in that file or in the data files; any
  // other mask marks bad pixels by not being 0. Throws RunError: what SlabGeometry and read_mask()
  // throw, with file and line of a geometry.
  DetectorMask(const std::optional<std::string>& geometry, const std::optional<MaskSource>& mask);

  // For images of one event, (H,W) or (C,H,W): uint8 of that shape, 1 = bad, and what is bad in
  // `own`, the mask that came with the images and has their shape. Nothing where neither says
  // anything. The file's mask has the images' shape, that of the panels one below the other, or
  // with a geometry that of its slab. Throws DataError("wrong shape") with file, data set and both
  // shapes.
  std::optional<Array> with(const std::optional<Array>& own, const Shape& event_shape) const;

 private:
  Array of(const Shape& event_shape) const;
  Array fitting(const Shape& event_shape) const;
  Array slab() const;

  std::optional<SlabGeometry> geometry_;
  std::string mask_name_;      // file and data set
  std::optional<Array> mask_;  // uint8
  mutable std::mutex mutex_;
  mutable std::optional<Array> latest_;  // the images of a run are mostly of one shape
};

// Parameters `geometry` and `mask` of a node's Params.
template <class P>
void describe_detector(Spec<P>& spec) {
  spec.param("geometry", &P::geometry)
      .shared()
      .help("CrystFEL geometry: pixels of its bad regions and of none of its panels are bad");
  spec.group("mask", &P::mask, "bad pixels of the detector, added to field 'mask'",
             &MaskSource::describe)
      .short_form("file")
      .shared();
}

}  // namespace pnflow
