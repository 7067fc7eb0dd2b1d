#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/bench.h"
#include "graph/units.h"

namespace pnflow {

namespace {

std::size_t bytes_of(const std::string& text) {
  const auto size = parse_byte_size(text);
  if (!size || size->bytes == 0) {
    throw CLI::ValidationError("'" + text + "' is not a size such as 512MiB");
  }
  return size->bytes;
}

void add_measuring(CLI::App& bench, const std::shared_ptr<BenchOptions>& options) {
  bench
      .add_option("--workers", options->workers,
                  "Messages in work at once, a measurement for each: 1,2,4. Of a sink those that\n"
                  "are prepared; of an asynchronous node those that it has not answered")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->default_str("1");
  bench.add_option("--min-time", options->min_time, "Seconds that one repetition takes at least")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  bench
      .add_option("--repetitions", options->repetitions,
                  "Repetitions of each measurement; shown is their median")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  bench.add_flag(
      "--cold", options->cold,
      "Empty the caches before each message: what a node takes in a run in which others\n"
      "take longer; without, what it takes when all wait for it. For transforms with\n"
      "one worker; takes long, because emptying takes time too");
  bench.add_option("--json", options->json_file,
                   "Write all measurements to this file, in Google Benchmark's format");
}

void add_input(CLI::App& bench, const std::shared_ptr<BenchOptions>& options) {
  const auto is_given = [options](const std::string&) { options->limits_given = true; };
  bench
      .add_option("--messages", options->input.messages,
                  "Messages to keep as the node's input, used in turn; not of a source")
      ->check(CLI::PositiveNumber)
      ->each(is_given)
      ->capture_default_str();
  bench
      .add_option_function<std::string>(
          "--memory", [options](const std::string& text) { options->input.bytes = bytes_of(text); },
          "Memory after which no more messages are kept; not of a source")
      ->each(is_given)
      ->default_str("4GiB");
  bench
      .add_option("--push", options->push_files,
                  "Be the producer of the graph's zmq_source: send these files in a loop, over a\n"
                  "socket of its own; records, and files of one message; patterns too")
      ->type_name("FILE");
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* bench = app.add_subcommand("bench", "Measure one node of a graph alone");
  bench->add_option("graph", options->graph_file, "The graph, a YAML file")->required();
  bench->add_option("--node", options->node, "The node to measure, by its name in the graph")
      ->required();
  bench->add_option("--set", options->overrides, "Set a parameter: node.param=value (repeatable)")
      ->allow_extra_args(false);
  add_measuring(*bench, options);
  add_input(*bench, options);
  bench->footer(
      "The nodes before it run until the messages of its input are recorded; then it is fed with\n"
      "them from memory. The time of a message is that between two answers. A writer writes where\n"
      "its parameters say, and closing it is measured too; its files stay. A source is run by\n"
      "itself, into a sink that takes everything.\n"
      "Exit codes: 0 measured, 1 run-time error, 2 configuration or command line, 130 "
      "interrupted.");
  bench->callback([options, &exit_code] { exit_code = bench_node(*options); });
}

}  // namespace pnflow
