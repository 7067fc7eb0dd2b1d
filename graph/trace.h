#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string_view>

#include "graph/clock.h"
#include "graph/export.h"

namespace pnflow {

// The timeline of a run (`pnflow run --trace`): spans of work on tracks, and values that change.
// Tracks stand in groups, and each node is a group. Thread-safe; a record costs a short lock.
class PNFLOW_API Trace {
 public:
  static constexpr std::size_t default_limit = 2'000'000;

  // Keeps so many records at most, of 40 bytes each; those that come later are counted.
  explicit Trace(std::size_t limit = default_limit);
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  ~Trace();

  // Work of a node that the framework does not see (of a device, of a thread of its own), once it
  // has ended. `track` is "GROUP / NAME" ("infer device 0 / compute"), or one word for both. Spans
  // of a track may overlap: they are shown side by side. `number` says which of its kind the work
  // was; `track` and `name` are few, because each is kept.
  void span(std::string_view track, std::string_view name, Clock::time_point begin,
            Clock::time_point end, std::uint64_t number);

  // What follows is the framework's.

  enum class Layout : std::uint8_t {
    threads,  // a row for each thread that records
    lanes,    // as many rows as spans overlap
    values,   // a curve
  };
  using Track = std::uint32_t;
  // `label`: the name of its spans, or of its value. `category`: what a reader of the file tells
  // kinds of spans apart by. Groups and tracks are shown in the order in which they are added.
  Track add_track(std::string_view group, std::string_view name, std::string_view label,
                  std::string_view category, Layout layout);
  // The run begins: from here times are counted. What ended before is not recorded.
  void start(Clock::time_point origin);
  // Work on one message: number `number` of the node `source`.
  void message(Track track, Clock::time_point begin, Clock::time_point end, std::string_view source,
               std::uint64_t number, std::size_t events);
  // The value as it is now. When it is recorded after each change, from whatever thread, the last
  // record is the last value.
  void value(Track track, const std::atomic<int>& value);

  // Writes all that is recorded, in Chrome's trace event format: a JSON object. Times are in
  // microseconds. How many records are missing is in it.
  void write(std::ostream& out, std::string_view run) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pnflow
