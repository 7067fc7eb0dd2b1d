#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "cli/temporary_directory.h"
#include "graph/ledger.h"
#include "graph/run_control.h"

namespace pnflow {

// A run of a graph over the events of one file, which writes its CXI files to a directory that is
// removed with this object. Of the graph's own source and files nothing is read or written.
class TruthRun {
 public:
  struct Result {
    int exit_code = 0;  // as `pnflow run` has it; when it is not 0, that is all
    Books books{};
    std::vector<std::string> files{};  // CXI files without the master, sorted
  };

  // The graph is a chain with one source, a file_source, and one sink, a cxi_writer. `overrides`
  // are "node.param=value". What is wrong with graph or run goes to stderr. Once.
  Result run(const std::string& graph_file, std::vector<std::string> overrides,
             const std::string& events_file);

  // SIGINT or SIGTERM: the first ends the run early, the second at once, the third the process.
  // Thread-safe.
  void on_signal();
  bool interrupted() const { return signals_ > 0; }

 private:
  TemporaryDirectory directory_;
  RunControl control_;
  std::atomic<int> signals_{0};
};

}  // namespace pnflow
