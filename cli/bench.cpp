#include "cli/bench.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>

#include "cli/bench_producer.h"
#include "cli/bench_table.h"
#include "cli/node_bench.h"
#include "cli/signals.h"
#include "graph/log.h"
#include "graph/plan.h"
#include "graph/registry.h"
#include "graph/text_file.h"
#include "nodes/register.h"

namespace pnflow {

namespace {

constexpr int run_time_error = 1;
constexpr int configuration_error = 2;
constexpr int interrupted = 130;

// What makes a graph, a node or an option one that cannot be measured.
class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Warnings : std::uint8_t { shown, shown_before };

Plan plan_of(const BenchOptions& options, const std::vector<std::string>& overrides,
             Registry& registry, Warnings warnings) {
  const auto text = read_text_file(options.graph_file);
  if (!text) throw Refusal(fmt::format("cannot read '{}'", options.graph_file));
  Diagnostics diagnostics;
  auto plan = plan_from_text(options.graph_file, *text, overrides, registry, diagnostics);
  if (!plan || warnings == Warnings::shown) fmt::print(stderr, "{}", diagnostics.render());
  if (!plan) throw Refusal("");
  return std::move(*plan);
}

std::size_t index_of(const Plan& plan, const std::string& name) {
  std::vector<std::string> names;
  for (const PlannedNode& node : plan.nodes) names.push_back(node.name);
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    throw Refusal(fmt::format("there is no node '{}'\n  {}", name, suggest(name, names)));
  }
  return static_cast<std::size_t>(found - names.begin());
}

void check_node(const PlannedNode& node, const BenchOptions& options) {
  const NodeKind kind = node.type->kind;
  const bool single = std::ranges::max(options.workers) == 1;
  if (kind == NodeKind::gate) {
    throw Refusal(
        fmt::format("{} is a {}: it does no work of its own; measure the nodes before "
                    "and behind it",
                    node.name, node.type->name));
  }
  if (options.cold && (kind != NodeKind::transform || !single)) {
    throw Refusal("--cold is for transforms with one worker");
  }
  if (options.limits_given && kind == NodeKind::source) {
    throw Refusal(fmt::format(
        "--messages, --memory: {} is a source, which has no input that could be limited",
        node.name));
  }
  if (single) return;
  if (kind == NodeKind::source) {
    throw Refusal(fmt::format("--workers: {} is a source, which gives one message after the other",
                              node.name));
  }
  if (kind == NodeKind::transform && !node.type->parallel) {
    throw Refusal(fmt::format("--workers: {} ({}) works on one message at a time", node.name,
                              node.type->name));
  }
}

// The sources that a producer has to feed, of those that lead to the node or are it.
std::vector<std::string> fed_sources(const Plan& plan, std::size_t node) {
  std::vector<bool> leads = plan.leading_to(node);
  leads[node] = true;
  std::vector<std::string> names;
  for (std::size_t n = 0; n < plan.nodes.size(); ++n) {
    if (leads[n] && plan.nodes[n].type->name == "zmq_source") names.push_back(plan.nodes[n].name);
  }
  return names;
}

// The producer, and the settings that connect the sources to it in place of their endpoints.
std::unique_ptr<BenchProducer> start_producer(const BenchOptions& options,
                                              const std::vector<std::string>& sources,
                                              std::vector<std::string>& overrides) {
  if (sources.empty()) {
    throw Refusal(fmt::format("--push: no zmq_source leads to {}", options.node));
  }
  std::unique_ptr<BenchProducer> producer;
  try {
    producer = std::make_unique<BenchProducer>(options.push_files, sources.size());
  } catch (const std::exception& error) {
    throw Refusal(fmt::format("--push: {}", error.what()));
  }
  for (std::size_t i = 0; i < sources.size(); ++i) {
    overrides.push_back(fmt::format("{}.bind=[]", sources[i]));
    overrides.push_back(fmt::format("{}.connect=[\"{}\"]", sources[i], producer->endpoints()[i]));
  }
  return producer;
}

void print_input(const BenchOptions& options, const PlannedNode& node, const NodeBench& bench) {
  fmt::print("{} ({}) of {}", node.name, node.type->name, options.graph_file);
  if (bench.kind() == NodeKind::source) {
    fmt::print(", alone into a sink that takes everything\n");
    return;
  }
  std::size_t events = 0;
  for (const RecordedInput& message : bench.input()) events += message.states->size();
  fmt::print(", fed with {} messages{}, {:.1f} MB\n", bench.input().size(),
             events > 0 ? fmt::format(" of {} events", events) : "",
             static_cast<double>(bench.input_bytes()) / 1e6);
}

void print_tally(const SoloNode::Tally& tally) {
  fmt::print("of {} events {} passed, {} were vetoed, {} failed\n", tally.events, tally.passed,
             tally.vetoed, Books::total(tally.failed));
  for (const auto& [reason, n] : tally.failed) fmt::print("{:>10}  {}\n", n, reason);
  for (const auto& [reason, n] : tally.unreadable) {
    fmt::print("{:>10}  unreadable messages: {}\n", n, reason);
  }
}

// Where there is more around a message than is to be measured.
bool has_manual_time(const BenchOptions& options, const NodeBench& bench) {
  return options.cold || bench.kind() == NodeKind::source;
}

void register_measurements(const BenchOptions& options, const Plan& plan, NodeBench& bench) {
  for (const int workers : options.workers) {
    auto* entry = benchmark::RegisterBenchmark(
        fmt::format("{}/{}", plan.name, options.node).c_str(),
        [&bench, workers, cold = options.cold](benchmark::State& state) {
          bench.measure(state, workers, cold);
        });
    entry->ArgName(BenchTable::workers)
        ->Arg(workers)
        ->Unit(benchmark::kMicrosecond)
        ->MinTime(options.min_time)
        ->Repetitions(options.repetitions);
    if (has_manual_time(options, bench)) {
      entry->UseManualTime();
    } else {
      entry->MeasureProcessCPUTime()->UseRealTime();
    }
  }
}

void run_measurements(const BenchOptions& options, const PlannedNode& node, NodeBench& bench,
                      BenchTable& table) {
  std::vector<std::string> words{"pnflow"};
  if (!options.json_file.empty()) {
    words.emplace_back("--benchmark_out_format=json");
    words.push_back("--benchmark_out=" + options.json_file);
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  int argc = static_cast<int>(argv.size());
  argv.push_back(nullptr);
  benchmark::Initialize(&argc, argv.data());
  benchmark::AddCustomContext("pnflow", PNFLOW_VERSION);
  benchmark::AddCustomContext("graph", options.graph_file);
  benchmark::AddCustomContext("set", fmt::format("{}", fmt::join(options.overrides, " ")));
  benchmark::AddCustomContext("node", node.name);
  benchmark::AddCustomContext("type", node.type->name);
  benchmark::AddCustomContext("input_messages", fmt::to_string(bench.input().size()));
  benchmark::AddCustomContext("input_bytes", fmt::to_string(bench.input_bytes()));
  benchmark::RunSpecifiedBenchmarks(&table);
  benchmark::Shutdown();
}

int measure(const BenchOptions& options) {
  Registry registry;
  register_builtin_nodes(registry);
  std::vector<std::string> overrides = options.overrides;
  Plan plan = plan_of(options, overrides, registry, Warnings::shown);
  const std::size_t index = index_of(plan, options.node);
  check_node(plan.nodes[index], options);
  const auto fed = fed_sources(plan, index);
  std::unique_ptr<BenchProducer> producer;
  logger()->set_level(spdlog::level::warn);
  if (!options.push_files.empty()) {
    producer = start_producer(options, fed, overrides);
    plan = plan_of(options, overrides, registry, Warnings::shown_before);
  } else if (!fed.empty()) {
    fmt::print(stderr, "waiting for a producer to feed {} (or give --push FILES)\n",
               fmt::join(fed, ", "));
    logger()->set_level(spdlog::level::info);  // shows where the source listens
  }

  NodeBench bench(plan, index, registry);
  if (bench.kind() != NodeKind::source) {
    bench.record(options.input, options.workers.front());
    producer.reset();
  }
  print_input(options, plan.nodes[index], bench);
  register_measurements(options, plan, bench);
  BenchTable table;
  run_measurements(options, plan.nodes[index], bench, table);
  if (!bench.error().empty()) throw std::runtime_error(bench.error());
  const bool is_async = bench.kind() == NodeKind::async_transform;
  fmt::print("{}\n", table.text(is_async ? "in work" : BenchTable::workers,
                                !has_manual_time(options, bench)));
  if (bench.kind() != NodeKind::source) print_tally(bench.tally());
  return 0;
}

}  // namespace

int bench_node(const BenchOptions& options) {
  const SignalThread signals([] { std::_Exit(interrupted); });
  try {
    if (!options.json_file.empty() &&
        !std::filesystem::is_directory(
            std::filesystem::absolute(options.json_file).parent_path())) {
      throw Refusal(
          fmt::format("cannot write to '{}': there is no such directory", options.json_file));
    }
    return measure(options);
  } catch (const Refusal& refusal) {
    if (*refusal.what() != '\0') fmt::print(stderr, "pnflow bench: {}\n", refusal.what());
    return configuration_error;
  } catch (const std::exception& error) {
    fmt::print(stderr, "pnflow bench: {}\n", error.what());
    return run_time_error;
  }
}

}  // namespace pnflow
