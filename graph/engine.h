#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/export.h"
#include "graph/figure.h"
#include "graph/ledger.h"
#include "graph/metrics.h"
#include "graph/plan.h"
#include "graph/run_control.h"

namespace pnflow {

class Registry;
class Trace;

// How a run stands: for a progress line, the stall report and the final report.
struct RunStatus {
  struct NodeStatus {
    std::string name, type;
    int workers = 1;
    NodeMetrics::Snapshot body;
    std::optional<NodeMetrics::Snapshot> write;  // of a sink
    int writers = 1;                             // threads of that
    std::optional<int> credits_out, capacity;    // of a limiter
    std::vector<Figure> figures;                 // of the node's own
  };
  Books books;
  std::vector<NodeStatus> nodes;
  int window = 0, live_messages = 0, max_live_messages = 0;
  std::chrono::nanoseconds wall{};              // since all nodes were open
  std::chrono::nanoseconds since_retirement{};  // since an event retired last
};

// Runs a plan, once.
class PNFLOW_API Engine {
 public:
  // `trace`: records the timeline of the run, and outlives the engine; nullptr: none is recorded.
  Engine(const Plan& plan, Registry& registry, RunControl& control, Trace* trace = nullptr);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Constructs and opens the nodes, from sinks to sources. Throws RunError, with the node's name;
  // then everything is closed again.
  void open();
  // Starts the sources, waits for their end, drains, closes. Logs "running" when it begins. An
  // error on the way is in RunControl::error(). After open().
  void run();

  // Thread-safe, from open() on.
  RunStatus status() const;
  const std::string& run_name() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pnflow
