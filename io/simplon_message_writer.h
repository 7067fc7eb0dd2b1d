#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/array.h"
#include "graph/dtype.h"

namespace pnflow {

// The messages of one series as LCLStreamer's SimplonBinarySerializer makes them, byte for byte:
// `c` or `m`, then a CBOR map (RFC 8949). A start, images of one event each, a stop. LCLStreamer
// itself sends float64 images only. All functions are thread-safe; they throw std::bad_alloc.

struct SimplonStart {
  struct Detector {
    std::string name, id, type = "AreaDetector", geometry, pixel_coords;
    std::string material = "???", thickness = "???";
  };
  std::string run_number;
  std::string start_time;  // of the first event, seconds << 32 | nanoseconds, as text
  std::string duration = "N/A";
  std::string beamline, experiment;
  std::string beam_type = "X-ray";
  double polarization_fraction = 1;
  std::array<double, 3> polarization_axis{1, 0, 0};
  std::string data_collection_rate;  // "120Hz"
  DType dtype = DType::f64;
  Shape shape;  // (H,W) or (C,H,W)
  Detector detector;
  std::uint64_t message_id = 1;
  double timestamp = 0;  // when it is sent, seconds of Unix time
};
std::vector<std::byte> write_simplon_start(const SimplonStart& start);

struct SimplonBeam {
  double angle_x = 0, angle_y = 0, position_x = 0, position_y = 0;
  // LCLStreamer's shipped configuration has a diagnostic of the electron beam here, and 0.
  double photon_energy = 0;      // eV
  double photon_wavelength = 0;  // angstrom
};

struct SimplonImage {
  std::string run;
  DType dtype = DType::f64;
  std::span<const std::byte> pixels;  // of the whole event
  std::optional<SimplonBeam> beam;
  std::uint64_t message_id = 1;  // LCLStreamer: rank * 10000 + 1, the same for all images of a rank
  double timestamp = 0;          // of the event, seconds << 32 | nanoseconds
};
// The pixels go through bitshuffle and LZ4 in blocks of 4096 elements, without the 12 bytes that
// HDF5 has in front of them; `sum` is that of all pixels.
std::vector<std::byte> write_simplon_image(const SimplonImage& image);

// `timestamp`: when it is sent, seconds of Unix time.
std::vector<std::byte> write_simplon_stop(const std::string& run, double timestamp);

}  // namespace pnflow
