#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace pnflow {

struct NodesOptions {
  std::string type;                  // empty: the table of all
  std::vector<std::string> plugins;  // files that add types
  bool json = false;
};

// Prints the node types, or all about one. Returns the exit code: 0; 2 when a plugin cannot be
// loaded or there is no such type.
int describe_nodes(const NodesOptions& options);

// Adds `pnflow nodes` to the command line; its exit code goes to `exit_code`.
void add_nodes_command(CLI::App& app, int& exit_code);

}  // namespace pnflow
