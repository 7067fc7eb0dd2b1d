#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "graph/export.h"
#include "graph/input_recorder.h"
#include "graph/ledger.h"
#include "graph/memory.h"
#include "graph/plan.h"

namespace pnflow {

// One transform or sink of a plan, constructed and opened alone and fed from memory, for
// measurements and tests: its bodies are called as in a run, with everything that a run does around
// them left out. A node with a limiter in front stands in a region of as many messages as are in
// work at once. Used by one thread.
class PNFLOW_API SoloNode {
 public:
  // What has become of the events so far.
  struct Tally {
    std::uint64_t messages = 0, events = 0;
    std::uint64_t passed = 0;  // still alive behind a transform; delivered by a sink
    std::uint64_t vetoed = 0;
    Books::ByReason failed;      // events, by reason; a sink's that it has not settled are nowhere
    Books::ByReason unreadable;  // messages that a decoder could make nothing of
  };

  // `at_once`: calls of process() or prepare() in parallel, or messages that an AsyncTransform has
  // in work. The plan and the registry have to outlive the object.
  // Throws RunError for a source, for a gate, and when the node may not run in parallel but is to.
  SoloNode(const Plan& plan, std::size_t node, Registry& registry, int at_once = 1);
  ~SoloNode();
  SoloNode(const SoloNode&) = delete;
  SoloNode& operator=(const SoloNode&) = delete;

  // Throws what the node's open() throws.
  void open();
  // Memory that the node wants its input to be in; nullptr: no wish. After open().
  std::shared_ptr<MemoryPool> input_pool();
  // Puts so many messages through the node, from `input` in turn, going on where the last call has
  // ended, and returns when it has answered the last one. A sink's write() runs on a thread of its
  // own, with at most the plan's window of messages between it and prepare(). Exceptions of bodies
  // fail the message's events. After open(); `input` is not empty. Throws RunError when the node
  // has said that the run cannot go on (NodeServices::fail_run).
  void run(std::span<const RecordedInput> input, std::uint64_t messages);
  // Nothing more comes: draining() and close(). Throws what they throw. Destruction closes too.
  void close();

  Tally tally() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pnflow
