#include "cli/nodes.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/signals.h"
#include "cli/type_description.h"
#include "graph/diagnostics.h"
#include "graph/error.h"
#include "graph/registry.h"
#include "nodes/register.h"

namespace pnflow {

namespace {

constexpr int wrong_command_line = 2;

void print_table(const Registry& registry) {
  std::size_t width = 0;
  for (const std::string& name : registry.types()) width = std::max(width, name.size());
  for (const std::string& name : registry.types()) {
    const NodeType& type = *registry.find(name);
    fmt::print("{:{}}  {:22}  {}\n", name, width, name_of(type.kind), type.spec.summary);
  }
}

int describe_one(const Registry& registry, const NodesOptions& options) {
  const NodeType* type = registry.find(options.type);
  if (type == nullptr) {
    fmt::print(stderr, "pnflow: there is no node type '{}'\n  {}\n", options.type,
               suggest(options.type, registry.types()));
    return wrong_command_line;
  }
  fmt::print("{}", options.json ? type_json(*type).dump(2) + "\n" : type_text(*type));
  return 0;
}

}  // namespace

int describe_nodes(const NodesOptions& options) {
  end_on_broken_pipe();
  Registry registry;
  register_builtin_nodes(registry);
  try {
    for (const std::string& file : options.plugins) load_plugin(registry, file);
  } catch (const RunError& error) {
    fmt::print(stderr, "pnflow: {}\n", error.what());
    return wrong_command_line;
  }
  if (!options.type.empty()) return describe_one(registry, options);
  if (!options.json) {
    print_table(registry);
    return 0;
  }
  auto all = nlohmann::ordered_json::array();
  for (const std::string& name : registry.types()) all.push_back(type_json(*registry.find(name)));
  fmt::print("{}\n", all.dump(2));
  return 0;
}

void add_nodes_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<NodesOptions>();
  CLI::App* nodes = app.add_subcommand("nodes", "List the node types, or describe one");
  nodes->add_option("type", options->type, "A node type: its fields and parameters");
  nodes->add_option("--plugin", options->plugins, "A shared library that adds types (repeatable)")
      ->allow_extra_args(false);
  nodes->add_flag("--json", options->json, "As JSON");
  nodes->footer("Exit codes: 0, 2 a plugin cannot be loaded, or there is no such type.");
  nodes->callback([options, &exit_code] { exit_code = describe_nodes(*options); });
}

}  // namespace pnflow
