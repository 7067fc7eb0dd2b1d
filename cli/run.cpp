#include "cli/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "cli/progress.h"
#include "cli/signals.h"
#include "graph/config.h"
#include "graph/engine.h"
#include "graph/error.h"
#include "graph/log.h"
#include "graph/registry.h"
#include "graph/report.h"
#include "graph/text_file.h"
#include "graph/trace.h"
#include "nodes/register.h"

namespace pnflow {

namespace {

constexpr int configuration_error = static_cast<int>(Outcome::configuration);

void run_opened(Engine& engine, bool quiet) {
  std::optional<Progress> progress;
  if (!quiet) progress.emplace([&engine] { return engine.status(); });
  engine.run();
}

// As far as that can be told before: a run of hours must not end without its report or trace
// because of a mistyped name.
bool can_be_written(const char* what, const std::string& file) {
  namespace fs = std::filesystem;
  if (file.empty()) return true;
  const std::string directory = fs::absolute(file).parent_path();
  std::error_code ignored;  // what cannot be looked at shows in the end
  std::string why;
  if (!fs::is_directory(directory, ignored)) {
    why = "there is no such directory";
  } else if (fs::is_directory(file, ignored)) {
    why = "it is a directory";
  } else if (access(fs::exists(file, ignored) ? file.c_str() : directory.c_str(), W_OK) != 0) {
    why = std::strerror(errno);
  }
  if (why.empty()) return true;
  fmt::print(stderr, "pnflow: cannot write the {} to '{}': {}\n", what, file, why);
  return false;
}

// Writes the report; false when the file cannot be written.
bool write_report(const std::string& file, const std::string& text) {
  std::ofstream out(file);
  out << text << '\n';
  return static_cast<bool>(out.flush());
}

bool write_trace(const std::string& file, const Trace& trace, const std::string& run) {
  std::ofstream out(file);
  trace.write(out, run);
  return static_cast<bool>(out.flush());
}

}  // namespace

int run_graph(const RunOptions& options) {
  Registry registry;
  register_builtin_nodes(registry);
  const auto text = read_text_file(options.graph_file);
  if (!text) {
    fmt::print(stderr, "pnflow: cannot read '{}'\n", options.graph_file);
    return configuration_error;
  }
  if (!can_be_written("report", options.report_file) ||
      !can_be_written("trace", options.trace_file)) {
    return configuration_error;
  }
  RunControl control;
  const SignalThread signals([&control] { control.on_signal(); });
  Diagnostics diagnostics;
  const auto plan =
      plan_from_text(options.graph_file, *text, options.overrides, registry, diagnostics);
  fmt::print(stderr, "{}", diagnostics.render());
  if (!plan) return configuration_error;

  const auto trace = options.trace_file.empty() ? nullptr : std::make_unique<Trace>();
  Engine engine(*plan, registry, control, trace.get());
  try {
    engine.open();
  } catch (const std::exception& error) {
    logger()->error(error.what());
    return static_cast<int>(Outcome::run_error);
  }
  run_opened(engine, options.quiet);
  if (trace && !write_trace(options.trace_file, *trace, engine.run_name())) {
    control.fail(fmt::format("cannot write the trace to '{}'", options.trace_file));
  }

  const RunStatus status = engine.status();
  Outcome outcome = outcome_of(status, control, options.strict);
  const ReportHead head{engine.run_name(), options.graph_file, to_json(plan->resolved),
                        control.error()};
  if (!options.report_file.empty() &&
      !write_report(options.report_file, report_json(head, status, outcome))) {
    logger()->error("cannot write the report to '{}'", options.report_file);
    if (outcome == Outcome::done) outcome = Outcome::run_error;
  }
  fmt::print("{}\n\n{}\nwall time {:.2f} s, at most {} messages alive of window {}\n",
             node_table(status), books_text(status.books),
             std::chrono::duration<double>(status.wall).count(), status.max_live_messages,
             status.window);
  return static_cast<int>(outcome);
}

void add_run_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* run = app.add_subcommand("run", "Run a graph to its end");
  run->add_option("graph", options->graph_file, "The graph, a YAML file")->required();
  run->add_option("--set", options->overrides, "Set a parameter: node.param=value (repeatable)")
      ->allow_extra_args(false);
  run->add_option("--report", options->report_file, "Write a report as JSON to this file");
  run->add_option("--trace", options->trace_file,
                  "Write a timeline of the run to this file, for ui.perfetto.dev");
  run->add_flag("--strict", options->strict,
                "Exit with 4 when an event failed or is missing, or a message was unreadable");
  run->add_flag("--quiet", options->quiet, "Show no progress");
  run->footer(
      "Exit codes: 0 done, 1 run-time error, 2 configuration, 3 the books do not add up, 4 events\n"
      "failed (with --strict), 130 aborted. SIGINT or SIGTERM ends the run after what has been\n"
      "received is worked off; a second one aborts; a third one exits at once.");
  run->callback([options, &exit_code] { exit_code = run_graph(*options); });
}

}  // namespace pnflow
