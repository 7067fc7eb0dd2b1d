#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/cxi_file_set.h"
#include "cli/event_comparison.h"
#include "io/crystfel_stream.h"

namespace pnflow {

// One event of which the stream has a chunk.
struct ComparedEvent {
  std::string file;
  std::size_t number = 0;  // through all files
  std::size_t index = 0;   // in its file
  bool indexed = false;
  SpotCounts spots;
};

// What `pnflow compare-stream` tells of a stream and its files.
struct StreamComparison {
  std::string stream, version;
  std::size_t files = 0, events = 0;  // of the CXI files
  std::size_t with_chunk = 0;         // of these events
  std::size_t chunks = 0;             // whole ones
  std::size_t hits = 0, indexed = 0, crystals = 0;
  std::size_t elsewhere = 0;     // chunks of images that are in none of the files
  std::string first_elsewhere;   // the first of these images
  bool of_a_master = false;      // one of these images is of a master that is not among the files
  std::size_t repeated = 0;      // chunks of an event that had one already: not compared
  std::size_t unreadable = 0;    // chunks of an event whose peaks cannot be read: not compared
  std::string first_unreadable;  // why the first of these cannot
  std::size_t damaged = 0;       // places at which the stream is damaged or cut
  std::vector<std::string> damage;  // the first of these
  SpotCounts indexed_spots;         // over the indexed events: recall and precision are of these
  SpotCounts all_spots;             // over all events that have a chunk
};

// Reads the stream to its end and compares it, chunk by chunk; `each` is called for every event of
// the files that has a chunk, in the order of the stream. Throws what CrystfelStream throws on
// opening.
StreamComparison compare_stream(
    const std::string& stream, CxiFileSet& files, const ComparisonOptions& options,
    const std::function<void(const ComparedEvent&, const StreamChunk&)>& each);

}  // namespace pnflow
