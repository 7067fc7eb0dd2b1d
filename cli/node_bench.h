#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "graph/input_recorder.h"
#include "graph/solo_node.h"

namespace pnflow {

// The measurements of one node of a plan: its input, and what Google Benchmark calls. One iteration
// is one message.
class NodeBench {
 public:
  NodeBench(const Plan& plan, std::size_t node, Registry& registry);

  NodeKind kind() const { return plan_.nodes[node_].type->kind; }
  // Records the node's input, in the memory that it wants with so many messages at once, and tries
  // the node on it once. Not for a source. Throws RunError, also when the node fails every event.
  void record(const RecordingLimits& limits, int at_once);

  // Measures; an exception ends this and all further measurements, and is kept as error(). Sets
  // items (events), bytes, and the counter BenchTable::workers. `cold`: of a transform, with the
  // caches emptied before each message.
  void measure(benchmark::State& state, int at_once, bool cold);
  const std::string& error() const { return error_; }

  const std::vector<RecordedInput>& input() const { return input_; }
  std::size_t input_bytes() const;
  // What the node has made of its input, each message once; a writer: of its last measurement.
  const SoloNode::Tally& tally() const { return tally_; }

 private:
  void open(int at_once);
  void judge() const;
  void measure_source(benchmark::State& state);
  void measure_sink(benchmark::State& state, int at_once);
  void measure_transform(benchmark::State& state, int at_once, bool cold);
  void run_cold(benchmark::State& state);
  void set_rates(benchmark::State& state, std::uint64_t events, double bytes) const;

  const Plan& plan_;
  std::size_t node_;
  Registry& registry_;
  std::vector<RecordedInput> input_;
  std::unique_ptr<SoloNode> solo_;  // of a transform, for solo_at_once_ messages
  int solo_at_once_ = 0;
  SoloNode::Tally tally_;
  std::string error_;
};

}  // namespace pnflow
