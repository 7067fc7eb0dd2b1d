#include "graph/plan.h"

#include <exception>
#include <filesystem>
#include <string>

#include "graph/config.h"
#include "graph/include.h"
#include "graph/plan_draft.h"

namespace pnflow {

namespace {

// A plugin is looked for beside the file that names it. In `topology` its absolute path takes the
// place of the name, so that the resolved configuration can be run from anywhere.
void load_plugins(Topology& topology, Registry& registry, Diagnostics& diagnostics) {
  for (auto& [file, mark] : topology.plugins) {
    const std::filesystem::path named_in = diagnostics.text_name(mark);
    try {
      file = load_plugin(registry, file, named_in.parent_path());
    } catch (const std::exception& error) {
      const std::string said = error.what();
      const std::size_t end = said.find('\n');
      diagnostics.error(mark, said.substr(0, end),
                        end == std::string::npos ? "" : said.substr(end + 1));
    }
  }
}

Plan plan_of(Draft& draft, int window) {
  const Topology& topology = draft.topology;
  Plan plan;
  plan.name = topology.name.empty() ? "graph" : topology.name;
  plan.window = window;
  plan.threads = draft_threads(draft);
  plan.stall_report = topology.stall_report;
  plan.keep_directory = topology.keep_directory;
  for (DraftNode& node : draft.nodes) {
    plan.keeps_wire = plan.keeps_wire || node.planned.on_error == OnError::keep;
    plan.nodes.push_back(std::move(node.planned));
  }
  plan.resolved = resolved_config(plan, topology);
  return plan;
}

}  // namespace

int Plan::deciding_sinks(std::size_t source) const {
  std::vector<bool> reached(nodes.size());
  reached[source] = true;
  int sinks = 0;
  // Every node stands after those before it, so one pass sees every path.
  for (std::size_t n = source; n < nodes.size(); ++n) {
    if (!reached[n]) continue;
    if (nodes[n].type->kind == NodeKind::sink && !nodes[n].observer) ++sinks;
    for (const std::size_t next : nodes[n].to) reached[next] = true;
  }
  return sinks;
}

std::vector<bool> Plan::leading_to(std::size_t node) const {
  std::vector<bool> leads(nodes.size());
  for (std::size_t n = node + 1; n-- > 0;) {
    if (n != node && !leads[n]) continue;
    for (const std::size_t before : nodes[n].from) leads[before] = true;
  }
  return leads;
}

std::optional<Plan> make_plan(const Topology& topology, const Registry& registry,
                              Diagnostics& diagnostics) {
  Draft draft(topology, registry, diagnostics);
  draft_nodes(draft);
  draft_edges(draft);
  draft_order(draft);
  check_diamonds(draft);
  check_fields(draft);
  check_decoders(draft);
  check_common_keys(draft);
  draft_regions(draft);
  const int window = draft_window(draft);
  if (!diagnostics.ok()) return {};
  return plan_of(draft, window);
}

std::optional<Plan> plan_from_text(const std::string& name, std::string_view text,
                                   const std::vector<std::string>& overrides, Registry& registry,
                                   Diagnostics& diagnostics) {
  const int file = diagnostics.add_text(name, text);
  const std::size_t before = diagnostics.errors();
  Value root = read_yaml(text, file, diagnostics);
  // Text that is not YAML ends somewhere in the middle: what is missing then is no news.
  if (root.is_null() && diagnostics.errors() != before) return {};
  take_in_includes(root, name, diagnostics);
  for (const std::string& assignment : overrides) apply_override(root, assignment, diagnostics);
  Topology topology = read_topology(root, diagnostics);
  if (topology.name.empty()) topology.name = std::filesystem::path(name).stem().string();
  load_plugins(topology, registry, diagnostics);
  return make_plan(topology, registry, diagnostics);
}

}  // namespace pnflow
