#include "graph/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "graph/chain.h"
#include "graph/spec.h"

namespace pnflow {

namespace {

constexpr int language_version = 1;
constexpr const char* owner = "the graph";

// The keys of the top level that are plain parameters.
struct Settings {
  std::optional<int> version;
  std::string name;
  std::optional<int> window, threads;
  std::optional<Duration> stall_report = Topology{}.stall_report;
  std::string keep_directory = Topology{}.keep_directory;
  std::vector<std::string> plugins;

  static void describe(Spec<Settings>& spec) {
    spec.param("pnflow", &Settings::version).help("version of the language of this file: 1");
    spec.param("name", &Settings::name).help("name of the graph");
    spec.param("window", &Settings::window)
        .range(1, 1'000'000)
        .unit("messages")
        .help("messages that may be alive at once");
    spec.param("threads", &Settings::threads)
        .range(1, 1024)
        .help("threads that run the bodies of the nodes");
    spec.param("stall_report", &Settings::stall_report)
        .help(
            "time without a finished event after which the state of all nodes is logged; 0 s: "
            "never");
    spec.param("keep_directory", &Settings::keep_directory)
        .help("where on_error: keep stores messages");
    spec.param("plugins", &Settings::plugins).help("shared libraries that bring node types");
  }
};

bool is_node_name(std::string_view name) {
  const auto letter = [](char c) {
    return std::isalpha(static_cast<unsigned char>(c)) || c == '_';
  };
  const auto later = [&](char c) {
    return letter(c) || std::isdigit(static_cast<unsigned char>(c)) || c == '-';
  };
  return !name.empty() && letter(name.front()) && std::ranges::all_of(name, later) &&
         !name.ends_with('-');
}

void read_settings(const Value& root, Topology& topology, Diagnostics& diagnostics) {
  Spec<Settings> description;
  Settings::describe(description);
  Settings settings;
  ParamFaults faults;
  set_checked(std::move(description).take(), &settings, root, root.mark, owner,
              {"include", "detector", "nodes", "edges"}, faults);
  for (auto& fault : faults) diagnostics.error(fault.at, fault.message, fault.hint);

  const Value::Entry* version = root.find_entry("pnflow");
  if (version == nullptr) {
    diagnostics.error(root.mark, "the version of the language is missing",
                      fmt::format("a graph begins with 'pnflow: {}'", language_version));
  } else if (settings.version && *settings.version != language_version) {
    diagnostics.error(version->value.mark,
                      fmt::format("version {} of the language is not known", *settings.version),
                      fmt::format("this pnflow knows version {}", language_version));
  }
  if (const auto* include = root.find_entry("include")) {
    diagnostics.error(include->key_mark, "'include' is for files, and cannot be set otherwise");
  }
  topology.name = settings.name;
  topology.window = settings.window;
  if (const auto* window = root.find("window")) topology.window_mark = window->mark;
  topology.threads = settings.threads;
  topology.stall_report = settings.stall_report.value_or(Duration::zero());
  topology.keep_directory = settings.keep_directory;
  if (const auto* plugins = root.find("plugins")) {
    for (std::size_t i = 0; i < settings.plugins.size(); ++i) {
      topology.plugins.emplace_back(settings.plugins[i],
                                    plugins->is_list() ? plugins->items[i].mark : plugins->mark);
    }
  }
}

void read_detector(const Value& root, Topology& topology, Diagnostics& diagnostics) {
  const Value* detector = root.find("detector");
  if (detector == nullptr || detector->is_null()) return;
  if (!detector->is_map()) {
    diagnostics.error(detector->mark, fmt::format("'detector' is a map of parameters, not {}",
                                                  detector->describe()));
    return;
  }
  topology.detector = *detector;
}

Topology::Node read_node(const Value::Entry& entry, Topology& topology, Diagnostics& diagnostics) {
  const auto& [name, mark, settings] = entry;
  Topology::Node node{name, mark, {}, mark, settings};
  if (!is_node_name(name)) {
    topology.half_connected.insert(name);
    diagnostics.error(mark, fmt::format("'{}' is not a name for a node", name),
                      "a name is made of letters, digits, '_' and '-', and begins with a letter");
  }
  if (!settings.is_map()) {
    diagnostics.error(
        settings.mark,
        fmt::format("node '{}' is a map with a type, not {}", name, settings.describe()),
        fmt::format("such as {}: {{ type: limiter, capacity: 4 }}", name));
    return node;
  }
  const Value* type = settings.find("type");
  if (type == nullptr) {
    diagnostics.error(mark, fmt::format("node '{}' has no type", name),
                      fmt::format("such as {}: {{ type: limiter, capacity: 4 }}", name));
    return node;
  }
  node.type_mark = type->mark;
  if (type->is_scalar()) {
    node.type = type->text;
  } else {
    diagnostics.error(
        type->mark, fmt::format("the type of node '{}' is a word, not {}", name, type->describe()));
  }
  return node;
}

void read_nodes(const Value& root, Topology& topology, Diagnostics& diagnostics) {
  const Value::Entry* nodes = root.find_entry("nodes");
  topology.nodes_mark = nodes != nullptr ? nodes->key_mark : root.mark;
  if (nodes == nullptr) {
    diagnostics.error(root.mark, "this graph has no 'nodes'",
                      "nodes: { name: { type: ... }, ... }");
    return;
  }
  if (!nodes->value.is_map() || nodes->value.entries.empty()) {
    diagnostics.error(nodes->value.mark,
                      fmt::format("'nodes' is a map of nodes by name, not {}",
                                  nodes->value.is_map() ? "an empty one" : nodes->value.describe()),
                      "nodes: { name: { type: ... }, ... }");
    return;
  }
  std::map<std::string, Mark> seen;
  for (const auto& entry : nodes->value.entries) {
    const auto [first, fresh] = seen.emplace(entry.key, entry.key_mark);
    if (fresh) {
      topology.nodes.push_back(read_node(entry, topology, diagnostics));
    } else {
      diagnostics.error(
          entry.key_mark, fmt::format("two nodes are named '{}'", entry.key),
          fmt::format("the first is at {}:{}", first->second.line, first->second.column));
    }
  }
}

void read_edges(const Value& root, Topology& topology, Diagnostics& diagnostics) {
  const Value* edges = root.find("edges");
  if (edges == nullptr) {
    diagnostics.error(root.mark, "this graph has no 'edges'", "edges: [ a -> b -> c ]");
    return;
  }
  if (edges->is_scalar()) return read_chain(*edges, topology, diagnostics);
  if (!edges->is_list() || edges->items.empty()) {
    diagnostics.error(edges->mark,
                      fmt::format("'edges' is a list of chains, not {}",
                                  edges->is_list() ? "an empty one" : edges->describe()),
                      "edges: [ a -> b -> c ]");
    return;
  }
  for (const Value& chain : edges->items) read_chain(chain, topology, diagnostics);
}

}  // namespace

Topology read_topology(const Value& root, Diagnostics& diagnostics) {
  Topology topology;
  if (root.is_null()) {
    diagnostics.error(root.mark, "the file is empty",
                      "a graph has the keys pnflow, nodes and edges");
    return topology;
  }
  if (!root.is_map()) {
    diagnostics.error(root.mark, fmt::format("a graph is a map, not {}", root.describe()),
                      "a graph has the keys pnflow, nodes and edges");
    return topology;
  }
  read_settings(root, topology, diagnostics);
  read_detector(root, topology, diagnostics);
  read_nodes(root, topology, diagnostics);
  read_edges(root, topology, diagnostics);
  return topology;
}

}  // namespace pnflow
