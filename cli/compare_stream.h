#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/draw_event.h"
#include "cli/event_comparison.h"

namespace CLI {
class App;
}

namespace pnflow {

struct CompareStreamOptions {
  std::vector<std::string> files;  // CXI files, and the stream as the last
  ComparisonOptions comparison;
  bool json = false;
  bool events = false;               // a line for each
  std::optional<std::size_t> event;  // of the picture, from 0 through all CXI files
  std::string png;                   // name of the picture; empty: none
};

// Prints how far pnflow's peaks and CrystFEL's reflections agree. Returns the exit code: 0; 1 the
// stream is damaged or cut, or events cannot be read, or the picture cannot be drawn; 2 a file is
// missing or is not what it should be, no chunk is of an event of these files, or there is no such
// event. SIGINT and SIGTERM end the process with 130.
int compare_stream_files(const CompareStreamOptions& options);

// Adds `pnflow compare-stream` to the command line; its exit code goes to `exit_code`.
void add_compare_stream_command(CLI::App& app, int& exit_code);

}  // namespace pnflow
