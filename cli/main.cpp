// The program `pnflow`: one command, one pair of files.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <string>
#include <vector>

#include "cli/bench.h"
#include "cli/compare_stream.h"
#include "cli/evaluate.h"
#include "cli/gpu.h"
#include "cli/inspect.h"
#include "cli/nodes.h"
#include "cli/push.h"
#include "cli/run.h"
#include "cli/signals.h"
#include "cli/validate.h"
#include "graph/diagnostics.h"
#include "io/hdf5_exit.h"

namespace {

using AddCommand = void (*)(CLI::App&, int&);
constexpr AddCommand commands[] = {
    pnflow::add_run_command,      pnflow::add_validate_command, pnflow::add_nodes_command,
    pnflow::add_push_command,     pnflow::add_inspect_command,  pnflow::add_compare_stream_command,
    pnflow::add_evaluate_command, pnflow::add_bench_command,    pnflow::add_gpu_command};

constexpr int run_time_error = 1;
constexpr int wrong_command_line = 2;

// CLI11 does not say which word it took for no command. False: the first word is one.
bool name_unknown_command(const CLI::App& app, const char* word) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (word == nullptr || *word == '-' || std::ranges::find(names, word) != names.end()) {
    return false;
  }
  fmt::print(stderr,
             "pnflow: there is no command '{}'\n  {}\nRun with --help for more information.\n",
             word, pnflow::suggest(word, names));
  return true;
}

int run(int argc, char** argv) {
  CLI::App app("Runs dataflow graphs of models over live detector streams.", "pnflow");
  app.set_version_flag("--version", "pnflow " PNFLOW_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 run-time error, 2 configuration or command line, 3 the books do not\n"
      "add up, 4 events failed (with run --strict), 130 aborted.");
  int exit_code = 0;
  for (const AddCommand add : commands) add(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (name_unknown_command(app, argc > 1 ? argv[1] : nullptr)) return wrong_command_line;
    // CLI11 has codes of its own; asking for help is not an error.
    return app.exit(error) == 0 ? 0 : wrong_command_line;
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  // Before any thread is started, so that every thread inherits it.
  pnflow::hold_signals();
  pnflow::skip_hdf5_cleanup_at_exit();
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pnflow: {}\n", error.what());
    return run_time_error;
  }
}
