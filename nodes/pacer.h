#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "graph/node.h"
#include "graph/units.h"

namespace pnflow {

// Holds a source back to a rate, or to the times at which its messages once arrived. For the
// source's own thread.
class Pacer {
 public:
  // 0 Hz: as fast as they are taken.
  explicit Pacer(Rate events_per_second) : rate_(events_per_second) {}

  // Sleeps until `events` more may be sent; false when the run ends before. What a full pipeline
  // cost is caught up only within 100 ms, so that a detector's steady rate does not turn into a
  // burst.
  bool wait_for_turn(std::size_t events, const SourceContext& context);

  // Sleeps until as much time has passed since the first call as lies between the first call's
  // `nanoseconds` and these; false when the run ends before. What is late is sent at once, and a
  // long wait is said in the log.
  bool wait_for_time(std::int64_t nanoseconds, SourceContext& context);
  // The next wait_for_time() is a first call again.
  void restart() { first_.reset(); }

 private:
  using Clock = std::chrono::steady_clock;

  static bool sleep_until(Clock::time_point due, const SourceContext& context);

  Rate rate_;
  std::optional<Clock::time_point> due_;
  std::optional<std::int64_t> first_;
  Clock::time_point began_;
};

}  // namespace pnflow
