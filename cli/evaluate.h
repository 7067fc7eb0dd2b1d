#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace pnflow {

struct EvaluateOptions {
  std::string truth;
  std::vector<std::string> files;      // CXI files, where no graph is run
  std::string graph_file;              // empty: none is run
  std::vector<std::string> overrides;  // "node.param=value", of the graph
  double radius = 2;                   // pixels between a peak and its reflection
  bool json = false;
  std::string png;  // name of the chart; empty: none
};

// Prints how well the peaks in the files, or those of a run of the graph, fit the truth. Returns
// the exit code: 0; 1 the run failed, or the chart cannot be written; 2 a file is missing or not
// what it should be, truth and files have no event in common or images of another size, the graph
// is wrong; 3 the run's books do not add up; 130 interrupted.
int evaluate_peaks(const EvaluateOptions& options);

// Adds `pnflow evaluate` to the command line; its exit code goes to `exit_code`.
void add_evaluate_command(CLI::App& app, int& exit_code);

}  // namespace pnflow
