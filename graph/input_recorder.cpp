#include "graph/input_recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "graph/error.h"
#include "graph/report.h"
#include "graph/tapped_run.h"

namespace pnflow {

std::vector<RecordedInput> record_input(const Plan& plan, std::size_t node, Registry& registry,
                                        const RecordingLimits& limits,
                                        std::shared_ptr<MemoryPool> memory) {
  std::vector<RecordedInput> recorded;
  std::size_t bytes = 0;
  const auto keep = [&](const Batch& batch, const Context& context) {
    recorded.push_back({context.source(), context.message(), batch, context.states()});
    bytes += batch.bytes();
    return recorded.size() < limits.messages && bytes < limits.bytes;
  };
  const Books books = TappedRun(plan, node, keep, std::move(memory)).run(registry);
  if (recorded.empty()) {
    throw RunError(fmt::format("no message came to '{}'; of what stands before it:\n{}",
                               plan.nodes[node].name, books_text(books)));
  }
  std::ranges::sort(recorded, {}, [](const RecordedInput& message) {
    return std::tie(message.source, message.number);
  });
  return recorded;
}

}  // namespace pnflow
