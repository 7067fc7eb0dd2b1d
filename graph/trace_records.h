#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "graph/trace.h"

namespace pnflow {

// What a Trace has recorded. Private to graph/.
struct TraceRecords {
  struct Track {
    std::string group, name, label, category;
    Trace::Layout layout;
    bool of_messages = true;  // otherwise a node's own: each span has a name of its own
  };
  struct Record {
    std::int64_t begin = 0;    // ns from the start of the run
    std::int64_t length = 0;   // ns; of values the value
    std::uint64_t number = 0;  // of the message, at its source
    Trace::Track track = 0;
    std::uint32_t text = 0;    // of messages the source, of a node's own spans the name; in `texts`
    std::uint32_t thread = 0;  // from 1, where the track has a row for each
    std::uint32_t events = 0;
  };

  std::vector<Track> tracks;
  std::vector<std::string> texts;
  std::deque<Record> records;
  std::size_t limit = 0;
  std::uint64_t left_out = 0;
  std::optional<std::int64_t> full_since;  // ns from the start of the run
};

}  // namespace pnflow
