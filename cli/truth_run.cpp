#include "cli/truth_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdlib>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>

#include "graph/diagnostics.h"
#include "graph/engine.h"
#include "graph/log.h"
#include "graph/plan.h"
#include "graph/registry.h"
#include "graph/report.h"
#include "graph/text_file.h"
#include "io/find_files.h"
#include "nodes/register.h"

namespace pnflow {
namespace {

constexpr int configuration_error = static_cast<int>(Outcome::configuration);
constexpr int aborted = static_cast<int>(Outcome::aborted);

// Names of the two nodes that are connected to other files.
struct Ends {
  std::string source, writer;
};

std::optional<Ends> ends_of(const Plan& plan, const std::string& graph_file) {
  std::vector<std::string> sources, sinks, all;
  bool right_types = true;
  for (const PlannedNode& node : plan.nodes) {
    const bool is_source = node.type->kind == NodeKind::source;
    if (!is_source && node.type->kind != NodeKind::sink) continue;
    (is_source ? sources : sinks).push_back(node.name);
    all.push_back(fmt::format("{} ({})", node.name, node.type->name));
    right_types &= node.type->name == (is_source ? "file_source" : "cxi_writer");
  }
  if (right_types && sources.size() == 1 && sinks.size() == 1) {
    return Ends{sources.front(), sinks.front()};
  }
  fmt::print(stderr,
             "pnflow evaluate: '{}' begins and ends with {}; what is needed is one source, a "
             "file_source, and one sink, a cxi_writer\n",
             graph_file, fmt::join(all, ", "));
  return {};
}

// JSON is YAML, so names of any characters may stand in it.
std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

}  // namespace

TruthRun::Result TruthRun::run(const std::string& graph_file, std::vector<std::string> overrides,
                               const std::string& events_file) {
  const auto text = read_text_file(graph_file);
  if (!text) {
    fmt::print(stderr, "pnflow evaluate: cannot read '{}'\n", graph_file);
    return {.exit_code = configuration_error};
  }
  Registry registry;
  register_builtin_nodes(registry);
  Diagnostics diagnostics;
  auto plan = plan_from_text(graph_file, *text, overrides, registry, diagnostics);
  fmt::print(stderr, "{}", diagnostics.render());
  if (!plan) return {.exit_code = configuration_error};
  const auto ends = ends_of(*plan, graph_file);
  if (!ends) return {.exit_code = configuration_error};

  // Every event once, whatever the graph does with its own; a --set may still ask for a part.
  constexpr std::array each_once = {"first=0", "count=0", "loop=1", "pace=full", "rate=0"};
  for (const char* setting : each_once) {
    overrides.insert(overrides.begin(), fmt::format("{}.{}", ends->source, setting));
  }
  overrides.push_back(fmt::format("{}.files=[{}]", ends->source, quoted(events_file)));
  overrides.push_back(fmt::format("{}.directory={}", ends->writer, quoted(directory_.path())));
  overrides.push_back(fmt::format("{}.compression=none", ends->writer));
  Diagnostics connected;
  plan = plan_from_text(graph_file, *text, overrides, registry, connected);
  if (!plan) {
    fmt::print(stderr, "{}", connected.render());
    return {.exit_code = configuration_error};
  }

  logger()->set_level(spdlog::level::warn);
  Engine engine(*plan, registry, control_);
  try {
    engine.open();
  } catch (const std::exception& error) {
    logger()->error(error.what());
    return {.exit_code = static_cast<int>(Outcome::run_error)};
  }
  engine.run();
  if (interrupted()) return {.exit_code = aborted};
  const RunStatus status = engine.status();
  Result result{.exit_code = static_cast<int>(outcome_of(status, control_, false)),
                .books = status.books};
  if (result.exit_code == 0 && result.books.events.delivered > 0) {
    result.files = find_files({directory_.path() / "*.cxi"});
  }
  return result;
}

void TruthRun::on_signal() {
  switch (++signals_) {
    case 1: control_.stop(); break;
    case 2: control_.abort(); break;
    default: directory_.remove(); std::_Exit(aborted);
  }
}

}  // namespace pnflow
