#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "graph/array.h"
#include "io/cxi_compression.h"

namespace pnflow {

// What all events of one CXI file have in common.
struct CxiFormat {
  DType dtype = DType::f32;                       // of the images as stored
  std::size_t panels = 1, height = 0, width = 0;  // of one event; height and width of one panel
  CxiCompression compression;                     // of all images
  bool normalized = false;                        // pixels are not in detector units
  bool segmap = false, logits = false;            // which debug output there is
  bool laboratory = false;                        // peaks have places in the laboratory

  std::size_t rows() const { return panels * height; }  // of the stacked image
  friend bool operator==(const CxiFormat&, const CxiFormat&) = default;
};

// Peaks of one event, in columns of equal length. x and y are column and row of the stacked image,
// 0-based pixel centres.
struct CxiPeaks {
  std::vector<float> x, y, total, maximum, snr;
  std::vector<std::int32_t> npix, panel;
  // Only with CxiFormat::laboratory. In m, origin at the sample, CrystFEL's axes; 1/d in 1/nm.
  std::vector<double> lab_x = {}, lab_y = {}, lab_z = {}, resolution = {};
  std::size_t size() const { return x.size(); }
};

struct CxiEvent {
  Array image;  // what stands in the file (make_cxi_chunk), like the others
  CxiPeaks peaks;
  std::uint64_t timestamp = 0;                 // seconds << 32 | nanoseconds; 0: unknown
  double photon_energy = 0;                    // eV; 0: unknown
  float encoder = 0;                           // 0: unknown
  std::optional<std::int64_t> id;              // the event's number at its producer
  std::optional<Array> segmap;                 // uint8
  std::optional<std::array<Array, 2>> logits;  // float32, of class 0 and 1
};

// The bytes of `array`, of `format.rows()` x `format.width` elements whatever its shape, as they
// stand in the file: compressed, or the array itself. Thread-safe.
Array make_cxi_chunk(const Array& array, const CxiFormat& format);

}  // namespace pnflow
