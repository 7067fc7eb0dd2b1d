#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "graph/batch.h"

namespace pnflow {

// Brings the images of Simplon series together with the start message of their series, which alone
// has their shape. One rank of several sends start and stop, so images may come before the one and
// after the other: those without a start are parked until it comes. For one thread at a time.
class SimplonSeries {
 public:
  enum class Verdict {
    hand_on,  // the message is complete; what is no Simplon, or damaged, always is
    control,  // a start or a stop: it is used up
    parked    // an image that waits for its start
  };

  // At most `park` images wait; one more sets the oldest free as it is.
  explicit SimplonSeries(std::size_t park) : park_(park) {}

  // Takes a raw message (field `wire`). An image whose start is known gets it as message field
  // `series_start` (uint8, the start message's bytes). `message` is moved from unless handed on.
  Verdict take(Batch& message);
  // The next parked image that waits no longer; nothing when there is none.
  std::optional<Batch> next_free();
  // No start will come any more: all that is parked is free, as it is.
  void release();

  // Images that wait.
  std::size_t parked() const { return parked_.size(); }
  // The stop of the series that began last has come.
  bool stopped() const { return stopped_; }

 private:
  using Run = std::string;
  struct Parked {
    Run run;
    Batch message;
  };

  void start(const Run& run, const Array& message);
  void stop(const Run& run);
  const Array* start_of(const Run& run) const;

  std::size_t park_;
  std::deque<std::pair<Run, Array>> starts_;  // the latest in front
  std::deque<Parked> parked_;
  std::deque<Batch> free_;
  bool stopped_ = false;
};

}  // namespace pnflow
