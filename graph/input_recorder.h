#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "graph/batch.h"
#include "graph/export.h"
#include "graph/fate.h"
#include "graph/memory.h"
#include "graph/plan.h"

namespace pnflow {

// A message as it comes to a node: its payload, the fates of its events, and where it is from.
struct RecordedInput {
  std::string source;
  std::uint64_t number = 0;  // at its source
  Batch batch;
  std::shared_ptr<const EventStates> states;
};

struct RecordingLimits {
  std::size_t messages = 32;
  std::size_t bytes = std::size_t{4} << 30;  // ends with the message that reaches it
};

// Runs what stands before `node` and keeps the first messages that come to it, sorted by source and
// number; fewer when the sources end before. Messages that have nothing left to do come to no node,
// and are not among them. `memory`: as in TappedRun. `node` is not a source.
// Throws RunError as TappedRun does, and when no message came.
PNFLOW_API std::vector<RecordedInput> record_input(const Plan& plan, std::size_t node,
                                                   Registry& registry,
                                                   const RecordingLimits& limits = {},
                                                   std::shared_ptr<MemoryPool> memory = nullptr);

}  // namespace pnflow
