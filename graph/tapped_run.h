#pragma once

#include <functional>
#include <memory>

#include "graph/batch.h"
#include "graph/context.h"
#include "graph/export.h"
#include "graph/ledger.h"
#include "graph/memory.h"
#include "graph/plan.h"

namespace pnflow {

// A part of a graph as a run of its own: the nodes that lead to one node, and in its place a sink
// that shows what comes there. Of a source: the source itself and the sink behind it. The messages
// of a single source come in its order, so that a part that is run twice shows the same twice. What
// the part loses is never kept on disk (`on_error: keep` counts as `skip`).
class PNFLOW_API TappedRun {
 public:
  // Sees one message, which has something left to do; one call at a time, on a thread of the run.
  // False: that is enough.
  using Look = std::function<bool(const Batch&, const Context&)>;

  // `memory`: where the nodes put the tapped node's input; nullptr: ordinary memory.
  TappedRun(const Plan& plan, std::size_t node, Look look,
            std::shared_ptr<MemoryPool> memory = nullptr);
  TappedRun(const TappedRun&) = delete;
  TappedRun& operator=(const TappedRun&) = delete;
  ~TappedRun() = default;

  // Runs until `look` has had enough, when what is under way is given up without a line in the log,
  // or until the sources end. Returns the books. Once only.
  // Throws RunError when a node cannot be opened, and with the error that ended the run.
  Books run(Registry& registry);

 private:
  class Tap;

  Look look_;
  std::shared_ptr<MemoryPool> memory_;
  NodeType tap_;
  Plan plan_;
};

}  // namespace pnflow
