#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "graph/abi.h"
#include "graph/config.h"
#include "graph/error.h"
#include "graph/plan.h"
#include "test/graph/support/plan_nodes.h"
#include "test/support/scratch_directory.h"

using namespace pnflow;
namespace fs = std::filesystem;

namespace {

const fs::path plugins = PNFLOW_TEST_PLUGINS;

// Where the tests of a search run: an empty directory, no $PNFLOW_PLUGIN_PATH.
class Elsewhere {
 public:
  Elsewhere() {
    ::unsetenv("PNFLOW_PLUGIN_PATH");
    fs::current_path(directory_.path());
  }
  Elsewhere(const Elsewhere&) = delete;
  Elsewhere& operator=(const Elsewhere&) = delete;
  ~Elsewhere() {
    ::unsetenv("PNFLOW_PLUGIN_PATH");
    fs::current_path(before_);
  }

 private:
  test::ScratchDirectory directory_;
  fs::path before_ = fs::current_path();
};

// A copy: another library to the loader.
fs::path copy_of(const std::string& plugin, const fs::path& to) {
  if (to.has_parent_path()) fs::create_directories(to.parent_path());
  fs::copy_file(plugins / plugin, to);
  return to;
}

// What is said of a plugin that cannot be loaded.
std::string refusal(const std::string& file, const fs::path& beside = {}) {
  Registry registry;
  registry.add<plan_test::Simulation>("taken");
  try {
    load_plugin(registry, file, beside);
  } catch (const RunError& error) {
    return error.what();
  }
  return "loaded";
}

constexpr const char* more_directories =
    "\nmore directories can be named in PNFLOW_PLUGIN_PATH, with ':' between them";

std::string graph_with(const std::string& plugin, const std::string& settings = "") {
  return "pnflow: 1\nplugins: [ " + plugin +
         " ]\nnodes:\n  sim: { type: simulation }\n  mine: { type: from_plugin" + settings +
         " }\n  end: { type: nowhere }\nedges: sim -> mine -> end\n";
}

std::optional<Plan> plan_in(const std::string& file, const std::string& text,
                            Diagnostics& diagnostics, Registry& registry,
                            const std::vector<std::string>& overrides = {}) {
  plan_test::add_plan_nodes(registry);
  return plan_from_text(file, text, overrides, registry, diagnostics);
}

}  // namespace

TEST_CASE("a plugin's node types say where they come from, and it registers once only") {
  Registry registry;
  const std::string file = (plugins / "good.so").string();
  CHECK(load_plugin(registry, file) == fs::canonical(file).string());
  REQUIRE(registry.find("from_plugin") != nullptr);
  CHECK(registry.find("from_plugin")->origin == fs::canonical(file).string());
  CHECK(registry.find("from_plugin")->parallel);
  load_plugin(registry, file);
  load_plugin(registry, (plugins / ".." / "plugins" / "good.so").string());
  CHECK(registry.types() == std::vector<std::string>{"from_plugin"});
}

TEST_CASE("a relative name is looked for beside the graph, here, then in PNFLOW_PLUGIN_PATH") {
  const Elsewhere elsewhere;
  const fs::path here = fs::canonical(fs::current_path());
  copy_of("good.so", "path/mine.so");
  const auto loaded = [](const std::string& file) {
    Registry registry;
    return load_plugin(registry, file, "graphs");
  };
  ::setenv("PNFLOW_PLUGIN_PATH", "nowhere::path", 1);
  CHECK(loaded("mine.so") == here / "path" / "mine.so");
  copy_of("good.so", "mine.so");
  CHECK(loaded("mine.so") == here / "mine.so");
  copy_of("good.so", "graphs/mine.so");
  CHECK(loaded("mine.so") == here / "graphs" / "mine.so");
  CHECK(loaded("../path/mine.so") == here / "path" / "mine.so");
  CHECK(loaded((here / "mine.so").string()) == here / "mine.so");
}

TEST_CASE("what is not there is said with every path that was tried, each once") {
  const Elsewhere elsewhere;
  CHECK(refusal("/nowhere/mine.so") ==
        "plugin '/nowhere/mine.so' is not there\ntried:\n  /nowhere/mine.so");
  CHECK(refusal("mine.so") ==
        std::string("plugin 'mine.so' is not there\ntried:\n  ./mine.so") + more_directories);
  ::setenv("PNFLOW_PLUGIN_PATH", "/opt/one:.:/opt/two/", 1);
  CHECK(refusal("lib/mine.so", "graphs") ==
        std::string("plugin 'lib/mine.so' is not there\ntried:\n  graphs/lib/mine.so\n"
                    "  ./lib/mine.so\n  /opt/one/lib/mine.so\n  /opt/two/lib/mine.so") +
            more_directories);
}

TEST_CASE("what is there and no plugin of this pnflow is refused with the reason") {
  const Elsewhere elsewhere;
  std::ofstream("text.so") << "not a library";
  CHECK(refusal("text.so") == "cannot load plugin 'text.so': ./text.so: file too short");
  fs::create_directory("directory.so");
  CHECK(refusal("directory.so").starts_with("cannot load plugin 'directory.so': "));

  const auto said_of = [](const std::string& name) {
    std::string said = refusal((plugins / name).string());
    const std::string file = "'" + (plugins / name).string() + "'";
    const std::size_t at = said.find(file);
    REQUIRE(at != std::string::npos);
    return said.replace(at, file.size(), "X");
  };
  CHECK(said_of("no_register.so") ==
        "X is not a plugin of pnflow: it has no function 'pnflow_register'");
  const std::string other = said_of("other_abi.so");
  CHECK(other.starts_with(
      "plugin X was built for another pnflow:\n  plugin: pnflow-0.0.1\n  pnflow: pnflow-"));
  CHECK(said_of("throws.so") == "plugin X cannot register: the calibration database is closed");
  CHECK(said_of("throws_a_number.so") ==
        "plugin X cannot register: it throws what is no std::exception");
  CHECK(said_of("name_taken.so") ==
        "plugin X cannot register: node type 'taken' is taken: it is built in");
}

TEST_CASE("a plugin of another interface is refused with both strings, version or no version") {
  const std::string interface = "interface-" PNFLOW_STRINGIFY(PNFLOW_ABI_INTERFACE) " ";
  const std::string own = PNFLOW_ABI_STRING;
  REQUIRE(own.find(interface) != std::string::npos);
  std::string other = own;
  other.replace(own.find(interface), interface.size(), "interface-999999 ");
  const std::string file = (plugins / "other_interface.so").string();
  CHECK(refusal(file) == "plugin '" + file + "' was built for another pnflow:\n  plugin: " + other +
                             "\n  pnflow: " + own);
}

TEST_CASE("two plugins with a type of the same name: the message names the first") {
  const Elsewhere elsewhere;
  Registry registry;
  const std::string first = load_plugin(registry, copy_of("good.so", "first.so").string());
  copy_of("good.so", "second.so");
  CHECK_THROWS_WITH_AS(load_plugin(registry, "second.so"),
                       ("plugin 'second.so' cannot register: node type 'from_plugin' is taken: it "
                        "came with '" +
                        first + "'")
                           .c_str(),
                       RunError);
}

TEST_CASE("a plugin's nodes are checked and planned like any other") {
  const Elsewhere elsewhere;
  copy_of("good.so", "graphs/mine.so");
  Diagnostics diagnostics;
  Registry registry;
  const auto plan = plan_in("graphs/g.yaml", graph_with("mine.so"), diagnostics, registry);
  CHECK(diagnostics.render() == "");
  REQUIRE(plan);
  CHECK(plan->nodes[1].type->name == "from_plugin");

  Diagnostics faults;
  Registry again;
  CHECK(!plan_in("graphs/g.yaml", graph_with("mine.so", ", lebel: 4"), faults, again));
  CHECK(faults.render() ==
        "graphs/g.yaml:5:30: error: unknown key 'lebel' of node 'mine' (from_plugin)\n"
        "    mine: { type: from_plugin, lebel: 4 }\n"
        "                               ^\n"
        "  did you mean 'level'?\n"
        "1 error\n");
}

TEST_CASE("the resolved configuration names the library that was loaded") {
  const Elsewhere elsewhere;
  const fs::path library = fs::canonical(copy_of("good.so", "graphs/mine.so"));
  Diagnostics diagnostics;
  Registry registry;
  const auto plan = plan_in("graphs/g.yaml", graph_with("mine.so"), diagnostics, registry);
  REQUIRE(plan);
  CHECK(to_yaml(plan->resolved).find("plugins:\n  - \"" + library.string() + "\"\n") !=
        std::string::npos);
}

TEST_CASE("an included file's plugins are looked for beside it, those of --set from here") {
  const Elsewhere elsewhere;
  const fs::path shared = fs::canonical(copy_of("good.so", "shared/mine.so"));
  const fs::path here = fs::canonical(copy_of("good.so", "mine.so"));
  std::ofstream("shared/base.yaml") << graph_with("mine.so");
  const auto origin = [&](const std::vector<std::string>& overrides) {
    Diagnostics diagnostics;
    Registry registry;
    const auto plan =
        plan_in("g.yaml", "include: shared/base.yaml\n", diagnostics, registry, overrides);
    CHECK(diagnostics.render() == "");
    REQUIRE(plan);
    return plan->nodes[1].type->origin;
  };
  CHECK(origin({}) == shared.string());
  CHECK(origin({"plugins=[mine.so]"}) == here.string());
}

TEST_CASE("a fault points at the plugin in the list, with the paths behind it") {
  const Elsewhere elsewhere;
  Diagnostics diagnostics;
  Registry registry;
  CHECK(!plan_in("graphs/g.yaml", graph_with((plugins / "good.so").string() + ", mine.so"),
                 diagnostics, registry));
  const std::string said = diagnostics.render();
  CHECK(said.starts_with("graphs/g.yaml:2:"));
  CHECK(said.find("error: plugin 'mine.so' is not there\n") != std::string::npos);
  CHECK(said.find("^\n  tried:\n    graphs/mine.so\n    ./mine.so\n  more directories") !=
        std::string::npos);
  CHECK(said.ends_with("1 error\n"));
}
