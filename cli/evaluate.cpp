#include "cli/evaluate.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "cli/evaluation.h"
#include "cli/recall_chart.h"
#include "cli/signals.h"
#include "cli/truth_run.h"
#include "graph/error.h"

namespace pnflow {

namespace {

constexpr int not_drawn = 1;
constexpr int not_read = 2;
constexpr int interrupted = 130;

int report(const EvaluateOptions& options, const Evaluation& evaluation) {
  for (const std::string& line : evaluation_warnings(evaluation)) {
    fmt::print(stderr, "pnflow evaluate: warning: {}\n", line);
  }
  if (options.json) {
    fmt::print("{}\n", evaluation_json(evaluation)
                           .dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print("{}", evaluation_text(evaluation));
  }
  if (options.png.empty()) return 0;
  try {
    recall_chart(evaluation.score.bins).write(options.png);
  } catch (const RunError& error) {
    fmt::print(stderr, "pnflow evaluate: {}\n", error.what());
    return not_drawn;
  }
  return 0;
}

int score_files(const EvaluateOptions& options) {
  const SignalThread signals([] { std::_Exit(interrupted); });
  const PeakTruth truth = read_peak_truth(options.truth);
  return report(options, evaluate_files(options.truth, truth, options.files, options.radius));
}

int score_graph(const EvaluateOptions& options) {
  std::optional<Evaluation> evaluation;
  {
    TruthRun run;
    const SignalThread signals([&run] { run.on_signal(); });
    const PeakTruth truth = read_peak_truth(options.truth);
    const TruthRun::Result result = run.run(options.graph_file, options.overrides, options.truth);
    if (result.exit_code != 0) return result.exit_code;
    evaluation = evaluate_files(options.truth, truth, result.files, options.radius);
    evaluation->run = result.books.events;
    if (run.interrupted()) return interrupted;
  }
  return report(options, *evaluation);
}

constexpr const char* footer =
    "The truth is an HDF5 file of images, /data/data (N,panels,height,width), with "
    "/data/timestamp,\n"
    "/truth/is_hit (N) and the columns frame, panel, fs, ss, snr, kind and visible of\n"
    "/truth/reflections: a row for each reflection (kind 0; visible 1: to be found) and stray "
    "spot.\n"
    "With --graph, a chain from a file_source to a cxi_writer, the graph runs over these images;\n"
    "its files go to a directory in $TMPDIR that is removed. Without it, CXI files of a run over\n"
    "them are scored; a master among them is left out.\n\n"
    "Events are known by their time stamps; one that is not in the CXI files has found nothing.\n"
    "Pairs of a peak and a visible reflection of one panel, within --radius, are taken nearest\n"
    "first, each once. A peak left over is a duplicate with a visible reflection within the "
    "radius,\n"
    "ignored with a fainter one or a stray spot, else false. Recall: matched / visible "
    "reflections.\n"
    "Precision: matched / (matched + duplicate + false), blanks included. Position: found minus\n"
    "true. The worst event is the one that lost the largest share of its reflections of SNR 5 or\n"
    "more, counted from 0 in the truth.\n\n"
    "The chart has a bar for each range of SNR, from left to right 3.5-4, 4-5, 5-7, 7-10, 10-20 "
    "and\n"
    "above 20: its lower part is the recall, lines are at 0, 0.25, 0.5, 0.75 and 1.\n\n"
    "JSON: {truth, radius, files, events {crystals, blanks, crystals_present, blanks_present,\n"
    "in_files, repeated, unknown, cut}, run {decoded, delivered, vetoed, failed}, reflections,\n"
    "found, peaks {matched, duplicate, false, false_on_blanks, ignored}, recall, precision, f1,\n"
    "recall_by_snr [{from, to, reflections, found, recall, position}], position {median, p95,\n"
    "mean_fs, mean_ss}, worst {event, timestamp, reflections, found, lost}}; null is what there "
    "is\n"
    "none of.\n\n"
    "Exit codes: 0, 1 the run failed or the chart cannot be written, 2 a file is missing or not\n"
    "what it should be, files and truth do not fit, or the graph is wrong, 3 the books of the run\n"
    "do not add up, 130 interrupted.";

}  // namespace

int evaluate_peaks(const EvaluateOptions& options) {
  end_on_broken_pipe();
  try {
    return options.graph_file.empty() ? score_files(options) : score_graph(options);
  } catch (const RunError& error) {
    fmt::print(stderr, "pnflow evaluate: {}\n", error.what());
  }
  return not_read;
}

void add_evaluate_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<EvaluateOptions>();
  CLI::App* command =
      app.add_subcommand("evaluate", "Score the peaks of a graph, or in CXI files, against truth");
  command->add_option("--truth", options->truth, "Images whose peaks are known, an HDF5 file")
      ->required();
  CLI::Option* files = command->add_option("files", options->files, "CXI files of a run over them");
  CLI::Option* graph =
      command->add_option("--graph", options->graph_file, "Run this graph over them")
          ->excludes(files);
  command->add_option("--set", options->overrides, "Set a parameter: node.param=value (repeatable)")
      ->allow_extra_args(false)
      ->needs(graph);
  command
      ->add_option("--radius", options->radius, "Pixels between a peak and its reflection at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--json", options->json, "As one JSON document");
  command->add_option("--png", options->png, "Draw recall by SNR into this file, as bars");
  command->footer(footer);
  command->callback([options, files, graph, &exit_code] {
    if (files->empty() && graph->empty()) throw CLI::RequiredError("--graph or files");
    exit_code = evaluate_peaks(*options);
  });
}

}  // namespace pnflow
