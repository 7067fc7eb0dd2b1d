#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/draw_event.h"

namespace CLI {
class App;
}

namespace pnflow {

struct InspectOptions {
  std::vector<std::string> files;
  bool json = false;
  std::optional<std::size_t> event;  // from 0, through all files; a picture is of the first
  std::string png;                   // name of the picture; empty: none
  std::string mask;                  // HDF5 file with a mask for the picture
  DrawingOptions drawing;
};

// Prints what is in files of detector data, and draws an event. Returns the exit code: 0; 1 there
// is damage, or a CXI file has a fault that CrystFEL trips over, or the picture cannot be drawn; 2
// a file is missing or of no known kind, or there is no such event. SIGINT and SIGTERM end the
// process with 130.
int inspect_files(const InspectOptions& options);

// Adds `pnflow inspect` to the command line; its exit code goes to `exit_code`.
void add_inspect_command(CLI::App& app, int& exit_code);

}  // namespace pnflow
