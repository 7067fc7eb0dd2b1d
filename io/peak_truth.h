#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pnflow {

// A place where light is known to be: a Bragg reflection or a stray spot.
struct TrueSpot {
  std::size_t panel = 0;
  double fs = 0, ss = 0;  // column and row in the panel, 0-based pixel centre
  double snr = 0;
  bool wanted = false;  // a visible reflection: finders are asked for it
};

struct TrueEvent {
  std::uint64_t timestamp = 0;  // packed, see io/timestamps.h
  bool has_crystal = false;
  std::vector<TrueSpot> spots{};  // in the order of the file
};

// Simulated events whose peaks are known, in the order of their file.
struct PeakTruth {
  std::size_t panels = 1, height = 0, width = 0;  // of an event's images
  std::vector<TrueEvent> events;
};

// Reads the truth beside the images of an HDF5 file, N events and R spots:
//   /data/data (N,panels,height,width) or (N,height,width), of which the shape alone is read
//   /data/timestamp (N), of 64-bit integers, all different
//   /truth/is_hit (N), not 0 where there is a crystal
//   /truth/reflections/frame, panel, fs, ss, snr, kind (0: Bragg), visible (1: wanted), each (R)
// Throws RunError that names file and dataset: not there, or not what it should be. Thread-safe.
PeakTruth read_peak_truth(const std::string& path);

}  // namespace pnflow
