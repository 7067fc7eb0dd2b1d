#include "cli/validate.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/signals.h"
#include "graph/config.h"
#include "graph/plan.h"
#include "graph/registry.h"
#include "graph/text_file.h"
#include "nodes/register.h"

namespace pnflow {

namespace {

constexpr int configuration_error = 2;

void print_summary(const std::string& file, const Plan& plan) {
  fmt::print("{}: ok\n{}: window {}, threads {}\n\n", file, plan.name, plan.window, plan.threads);
  std::size_t name_width = 4;
  std::size_t type_width = 4;
  for (const PlannedNode& node : plan.nodes) {
    name_width = std::max(name_width, node.name.size());
    type_width = std::max(type_width, node.type->name.size());
  }
  fmt::print("  {:{}}  {:{}}  workers  fields behind it\n", "node", name_width, "type", type_width);
  for (const PlannedNode& node : plan.nodes) {
    fmt::print(
        "  {:{}}  {:{}}  {:7}  {}{}\n", node.name, name_width, node.type->name, type_width,
        node.workers,
        node.type->kind == NodeKind::sink ? "-" : fmt::to_string(fmt::join(node.fields, " ")),
        node.ordered ? "  (ordered)" : "");
    for (const std::string& need : needs_of(node.type->spec, node.params.get())) {
      fmt::print("  {:{}}  needs {}\n", "", name_width, need);
    }
  }
}

}  // namespace

int validate_graph(const ValidateOptions& options) {
  end_on_broken_pipe();
  const auto text = read_text_file(options.graph_file);
  if (!text) {
    fmt::print(stderr, "pnflow: cannot read '{}'\n", options.graph_file);
    return configuration_error;
  }
  Registry registry;
  register_builtin_nodes(registry);
  Diagnostics diagnostics;
  const auto plan =
      plan_from_text(options.graph_file, *text, options.overrides, registry, diagnostics);
  fmt::print(stderr, "{}", diagnostics.render());
  if (!plan) return configuration_error;
  if (options.resolved) {
    fmt::print("{}", to_yaml(plan->resolved));
  } else {
    print_summary(options.graph_file, *plan);
  }
  return 0;
}

void add_validate_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ValidateOptions>();
  CLI::App* validate = app.add_subcommand("validate", "Check a graph file and print its plan");
  validate->add_option("graph", options->graph_file, "The graph, a YAML file")->required();
  validate
      ->add_option("--set", options->overrides, "Set a parameter: node.param=value (repeatable)")
      ->allow_extra_args(false);
  validate->add_flag("--resolved", options->resolved,
                     "Print the configuration with all defaults, as YAML");
  validate->footer("Exit codes: 0 the graph is good, 2 it is not: all faults are on stderr.");
  validate->callback([options, &exit_code] { exit_code = validate_graph(*options); });
}

}  // namespace pnflow
