#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "graph/batch.h"
#include "graph/context.h"
#include "graph/node.h"
#include "io/cxi_event.h"
#include "io/slab_geometry.h"

namespace pnflow {

// What the configuration asks of the images in the file.
struct CxiImageOptions {
  CxiCompression compression;
  bool as_float32 = false;  // otherwise in the type in which they arrived
  bool segmap = false, logits = false;
  const SlabGeometry* geometry = nullptr;  // that says where images lie in the file's
};

// A message as the writer's thread takes it: the living events, ready for the file.
struct CxiPrepared : Sink::Prepared {
  struct Item {
    std::size_t index = 0;  // of the event in its message
    CxiEvent event;
  };
  CxiFormat format;
  std::optional<Array> mask;  // uint8, format.rows() * format.width elements; gaps are bad
  std::vector<Item> items;
  std::size_t without_energy = 0;  // events whose photon energy is not known
  std::size_t without_camera = 0;  // whose camera length the geometry leaves to the encoder
  std::size_t bad_timestamps = 0;  // 2^63 and above, which CrystFEL cannot read: stored as 0
  std::size_t dropped_peaks = 0;   // whose position is not a pixel of the image
};

// Reads `image` (B,H,W) or (B,C,H,W) of any dtype and, where there, `peaks`, `timestamp`,
// `photon_energy`, `encoder`, `mask`, `segmap`, `logits`: see CxiWriter. With a geometry images,
// mask, maps and peaks are moved to their places in its slab, and peaks have places in the
// laboratory. Thread-safe. Throws DataError: "missing field", "wrong shape", "wrong dtype".
std::unique_ptr<CxiPrepared> prepare_cxi(const Batch& batch, Context& context,
                                         const CxiImageOptions& options);

}  // namespace pnflow
