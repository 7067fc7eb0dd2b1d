#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace pnflow {

struct RunOptions {
  std::string graph_file;
  std::vector<std::string> overrides;  // "node.param=value"
  std::string report_file;             // empty: none
  std::string trace_file;              // empty: none
  bool strict = false;                 // failed or missing events make the exit code 4
  bool quiet = false;                  // no progress
};

// Runs the graph to its end; returns the exit code (see Outcome). Signals must be held.
int run_graph(const RunOptions& options);

// Adds `pnflow run` to the command line; its exit code goes to `exit_code`.
void add_run_command(CLI::App& app, int& exit_code);

}  // namespace pnflow
