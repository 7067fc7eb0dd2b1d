#pragma once

#include <cstddef>
#include <filesystem>
#include <istream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/crystfel_panels.h"
#include "io/line_reader.h"

namespace pnflow {

// A peak as CrystFEL took it from its peak search, or from the peak list of the file.
struct StreamPeak {
  double fs = 0, ss = 0;
  double inverse_d = 0;  // nm^-1
  double intensity = 0;
  std::string panel;
};

struct StreamReflection {
  int h = 0, k = 0, l = 0;
  double intensity = 0, sigma = 0, peak = 0, background = 0;
  double fs = 0, ss = 0;
  std::string panel;
};

struct StreamCrystal {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  double a = unknown, b = unknown, c = unknown;             // nm
  double alpha = unknown, beta = unknown, gamma = unknown;  // degrees
  std::string lattice, centering, unique_axis;
  double resolution_limit = unknown;  // nm^-1
  std::vector<StreamReflection> reflections;
};

// What CrystFEL found in one image. NaN is what the stream does not tell.
struct StreamChunk {
  std::size_t line = 0;  // at which it begins
  std::string file;      // as the list of images named it
  std::string event;     // "//12"; "//" of a file of one image
  std::optional<long long> serial;
  bool hit = false;
  std::string indexed_by;                         // "none" when it was not indexed
  double photon_energy = StreamCrystal::unknown;  // eV
  double camera_length = StreamCrystal::unknown;  // m, the mean over the panels
  std::optional<long long> announced_peaks;       // num_peaks, also where no peaks are listed
  std::vector<StreamPeak> peaks;
  std::vector<StreamCrystal> crystals;

  bool is_indexed() const { return !crystals.empty(); }
  // The number behind the last "//" of the event; 0 when nothing is there, nothing when that is no
  // number.
  std::optional<std::size_t> event_index() const;
};

// Reads a stream of CrystFEL's indexamajig (format 2.3, CrystFEL 0.6 and later) chunk by chunk; of
// any length, in the memory of one chunk. For one thread at a time.
//
// Positions are those that CrystFEL wrote. In format 2.3 they are columns and rows of the image as
// the file holds it, whatever the panel: CrystFEL adds min_fs and min_ss of the panel on writing
// and takes them off on reading. They are measured from the *corner* of the first pixel, which
// reaches from 0 to 1 and whose centre is 0.5: CrystFEL adds 0.5 to the peaks of a CXI file, cuts
// off the fraction to find the pixel of a position, and measures a panel from its corner. So
// fs - pixel_centre is a position in the sense of pnflow's files, where 0 is the first pixel's
// centre. Peaks have two decimals, reflections one.
class CrystfelStream {
 public:
  static constexpr double pixel_centre = 0.5;

  // Throws RunError when the file cannot be opened, and what the other one throws.
  explicit CrystfelStream(const std::filesystem::path& file);
  // Throws DataError("not a CrystFEL stream") for what does not begin like one, and
  // DataError("unsupported format") before 2.3.
  explicit CrystfelStream(std::unique_ptr<std::istream> in);

  // The next whole chunk; nothing at the end. Throws DataError that names the line: "damaged" for
  // what cannot be understood, "truncated" when the text ends or a new chunk begins within one.
  // After that the next call goes on at the next chunk.
  std::optional<StreamChunk> next();

  const std::string& version() const { return version_; }  // "2.3"
  // Of the geometry in front of the chunks; empty while there was none.
  const CrystfelPanels& panels() const { return panels_; }

 private:
  [[noreturn]] void fail(const std::string& what) const;
  std::string_view line_within(std::string_view part);
  void read_geometry();
  StreamChunk read_chunk();
  void read_field(std::string_view line, StreamChunk& chunk) const;
  StreamCrystal read_crystal();
  void read_field(std::string_view line, StreamCrystal& crystal) const;
  void read_peaks(StreamChunk& chunk);
  void read_reflections(StreamCrystal& crystal);
  template <class T = double>
  T number(std::string_view word) const;

  std::unique_ptr<std::istream> in_;
  LineReader lines_;
  std::string version_;
  CrystfelPanels panels_;
  bool begun_ = false;  // the first line of a chunk was read already
};

}  // namespace pnflow
