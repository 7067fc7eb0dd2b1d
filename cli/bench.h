#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "graph/input_recorder.h"

namespace CLI {
class App;
}

namespace pnflow {

struct BenchOptions {
  std::string graph_file;
  std::string node;
  std::vector<std::string> overrides;  // "node.param=value"
  std::vector<int> workers{1};         // messages in work at once, a measurement for each
  RecordingLimits input;
  bool limits_given = false;  // of the input, on the command line: nothing for a source
  double min_time = 0.5;      // seconds of one repetition
  int repetitions = 3;
  bool cold = false;      // the caches are emptied before each message; transforms only
  std::string json_file;  // empty: none
  // Names and patterns of messages and records; empty: there is another producer.
  std::vector<std::string> push_files;
};

// Measures one node of a graph alone and prints a table. Returns the exit code: 0, 1 run-time
// error, 2 configuration. Signals must be held; one ends the process with 130.
int bench_node(const BenchOptions& options);

// Adds `pnflow bench` to the command line; its exit code goes to `exit_code`.
void add_bench_command(CLI::App& app, int& exit_code);

}  // namespace pnflow
