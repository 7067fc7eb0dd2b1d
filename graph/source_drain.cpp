#include "graph/source_drain.h"

#include <fmt/format.h>

#include <optional>

#include "graph/error.h"
#include "graph/metrics.h"
#include "graph/tapped_run.h"

namespace pnflow {

SourceDrain drain_source(const Plan& plan, std::size_t source, Registry& registry,
                         std::uint64_t messages) {
  SourceDrain drain;
  while (drain.messages < messages) {
    std::optional<Clock::time_point> first;
    Clock::time_point last;
    const std::uint64_t before = drain.messages;
    TappedRun run(plan, source, [&](const Batch& batch, const Context&) {
      last = Clock::now();
      if (!first) {
        first = last;
        return true;
      }
      drain.events += batch.events();
      drain.bytes += batch.bytes();
      return ++drain.messages < messages;
    });
    run.run(registry);
    if (drain.messages == before) {
      throw RunError(
          fmt::format("'{}' gave {}: two messages at least are needed to measure its rate",
                      plan.nodes[source].name, first ? "one message" : "no message"));
    }
    drain.time += last - *first;
  }
  return drain;
}

}  // namespace pnflow
