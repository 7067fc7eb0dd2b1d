#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace pnflow {

struct ValidateOptions {
  std::string graph_file;
  std::vector<std::string> overrides;  // "node.param=value"
  bool resolved = false;               // prints the configuration with all defaults, as YAML
};

// Checks a graph file without touching anything that it names, plugins excepted. Returns the exit
// code: 0, or 2 with all faults on stderr.
int validate_graph(const ValidateOptions& options);

// Adds `pnflow validate` to the command line; its exit code goes to `exit_code`.
void add_validate_command(CLI::App& app, int& exit_code);

}  // namespace pnflow
