#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/array.h"
#include "io/crystfel_check.h"
#include "io/cxi_master_parts.h"
#include "io/cxi_reader.h"
#include "io/hdf5_attributes.h"
#include "io/pixel_statistics.h"

// What `pnflow inspect` knows of a file: made by Inspector, shown by summary_text() and
// summary_json().
namespace pnflow {

// Something that should be readable and is not.
struct Damage {
  std::size_t message = 0;           // of the file
  std::string array;                 // empty: the message, or the file
  std::optional<std::size_t> entry;  // of the array's first axis; nothing: the array as a whole
  std::string reason, detail;        // of the DataError
};

// An array, or the arrays of several messages of a file that differ in their first axis only.
struct ArraySummary {
  std::string name;
  Shape shape;        // the first axis is the sum over the messages
  std::string dtype;  // NumPy's name, or "text"
  std::string storage;
  std::size_t raw_bytes = 0;
  std::optional<std::size_t> stored_bytes;
  std::size_t messages = 1;
  std::vector<Hdf5Attribute> attributes;
  // Of an array of a kind that pnflow does not read, such as an HDF5 string: why. The rest of this
  // structure is empty then.
  std::string unread;
};

// Events with images of one kind.
struct ImageSummary {
  std::string name;
  Shape shape;  // of one event
  std::string dtype;
  std::size_t events = 0;
  std::optional<Shape> unpadded;  // of one event, where the message says that images are padded
};

// A number that each event may have. Those that are missing are NaN, 0 or damaged.
struct NumberSummary {
  std::string name;  // of the array
  std::size_t known = 0, missing = 0;
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();

  void add(double value);
};

// Packed time stamps (see io/timestamps.h). Missing ones are 0 or damaged.
struct TimeSummary {
  std::string name;
  std::size_t known = 0, missing = 0;
  std::uint64_t first = 0, last = 0;  // earliest and latest

  void add(std::uint64_t value);
};

struct CxiSummary {
  std::size_t min_peaks = 0, max_peaks = 0, total_peaks = 0;
  double median_peaks = 0;
  std::optional<bool> normalized;
  std::optional<std::size_t> panels;
  std::optional<Shape> mask;
  std::size_t bad_pixels = 0;  // of the mask of the first event
  CrystfelCheck crystfel;
};

// What stands before and after a series of Simplon images.
struct ControlSummary {
  std::string type;                                         // "start", "stop"
  std::vector<std::pair<std::string, std::string>> fields;  // its texts and numbers, as text
};

struct FileSummary {
  std::string file;
  std::size_t bytes = 0;
  std::string kind;   // empty when it is not known
  std::string error;  // the file is not there, or of no known kind: nothing else is known then
  std::size_t messages = 0;
  std::vector<Hdf5Attribute> attributes;  // of the root of an HDF5 file
  std::vector<ArraySummary> arrays;
  std::size_t events = 0;
  std::vector<ImageSummary> images;
  TimeSummary timestamps;
  NumberSummary photon_energy, wavelength;  // eV, angstrom; one is converted from the other
  PixelStatistics pixels;
  std::optional<CxiSummary> cxi;
  std::vector<CxiMasterPart> parts;  // of a CXI master
  bool counted_in_parts = false;     // which are among the files: its events are not counted again
  std::vector<ControlSummary> controls;
  std::vector<Damage> damage;

  bool is_damaged() const { return !damage.empty(); }
  // CrystFEL would trip over it.
  bool is_faulty() const { return cxi && !cxi->crystfel.faults.empty(); }

  // Adds to what differs in the number of events only, or else at the end.
  void add(ArraySummary&& array);
  void add(ImageSummary&& image);
};

// Of several files.
struct SummaryOfAll {
  std::size_t files = 0, events = 0, bytes = 0;
  std::size_t damaged = 0, faulty = 0, not_read = 0;  // files
};
SummaryOfAll sum_of(const std::vector<FileSummary>& files);

// One event, for its own sake and for drawing it.
struct EventDetail {
  std::string file;
  std::size_t number = 0;       // through all files, as it was asked for
  std::size_t index = 0;        // in its file
  std::string fault;            // of the part of a master that it is in, which cannot be read
  std::uint64_t timestamp = 0;  // 0: not known
  double photon_energy = std::numeric_limits<double>::quiet_NaN();  // eV
  PixelStatistics pixels;
  std::optional<Array> image;  // (H,W) or (C,H,W); nothing when it is damaged or not there
  bool is_cxi = false;
  std::vector<StoredPeak> peaks;  // of a CXI file, the strongest first
  struct Position {
    double x = 0, y = 0;  // 0-based pixel centres
  };
  std::vector<Position> reflections;  // that CrystFEL indexed, where it was asked
  std::optional<Array> mask;          // uint8, 1 is bad; of a CXI file
  std::optional<std::size_t> panels;  // of which a CXI file says that the image consists
};

}  // namespace pnflow
