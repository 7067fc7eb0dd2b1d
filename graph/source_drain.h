#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "graph/export.h"
#include "graph/plan.h"

namespace pnflow {

// What a source gave, and how long that took.
struct SourceDrain {
  std::uint64_t messages = 0;
  std::uint64_t events = 0;  // of messages that a source gives decoded
  std::uint64_t bytes = 0;   // of all array fields
  std::chrono::duration<double> time{};
};

// Runs one source of a plan into a sink that takes everything, and counts `messages` messages from
// the first that comes, which starts the clock and is not among them: what a source does once, when
// it begins, costs no message. A source that ends before is run again.
// Throws RunError as TappedRun does, and when a run gives fewer than two messages.
PNFLOW_API SourceDrain drain_source(const Plan& plan, std::size_t source, Registry& registry,
                                    std::uint64_t messages);

}  // namespace pnflow
