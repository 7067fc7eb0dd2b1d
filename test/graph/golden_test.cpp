// Every message about a graph file, pinned: golden/NAME.yaml, and what pnflow says in NAME.txt.
// Files that others include are in golden/included. Lines "# --set q1.capacity=4" of a YAML are
// overrides. With PNFLOW_UPDATE_GOLDEN in the environment the texts are written anew instead, to be
// looked at before they are kept.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "graph/plan.h"
#include "test/graph/support/plan_nodes.h"

using namespace pnflow;
namespace fs = std::filesystem;

namespace {

const fs::path golden = fs::path(PNFLOW_TEST_DATA).parent_path() / "graph" / "golden";

struct InDirectory {
  explicit InDirectory(const fs::path& directory) { fs::current_path(directory); }
  InDirectory(const InDirectory&) = delete;
  InDirectory& operator=(const InDirectory&) = delete;
  ~InDirectory() { fs::current_path(before); }
  fs::path before = fs::current_path();
};

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> overrides_in(const std::string& yaml) {
  constexpr std::string_view mark = "# --set ";
  std::vector<std::string> found;
  std::istringstream in(yaml);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(mark)) found.push_back(line.substr(mark.size()));
  }
  return found;
}

std::string messages_about(const fs::path& file) {
  Registry registry;
  plan_test::add_plan_nodes(registry);
  Diagnostics diagnostics;
  const std::string yaml = text_of(file);
  const auto plan =
      plan_from_text(file.filename().string(), yaml, overrides_in(yaml), registry, diagnostics);
  CHECK(plan.has_value() == diagnostics.ok());
  return diagnostics.render();
}

std::vector<fs::path> golden_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(golden)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

TEST_CASE("every message about a graph file is as its golden file says") {
  ::unsetenv("PNFLOW_TEST_UNSET");
  ::unsetenv("PNFLOW_PLUGIN_PATH");
  ::setenv("PNFLOW_TEST_CAPACITY", "many", 1);
  const bool update = std::getenv("PNFLOW_UPDATE_GOLDEN") != nullptr;
  const auto files = golden_files();
  CHECK(files.size() > 60);
  const InDirectory here(golden);  // included files are looked for beside the graph's
  for (const fs::path& file : files) {
    CAPTURE(file.filename().string());
    const std::string said = messages_about(file);
    CHECK(!said.empty());
    const fs::path expected = fs::path(file).replace_extension(".txt");
    if (update) std::ofstream(expected) << said;
    CHECK(said == text_of(expected));
  }
}

TEST_CASE("a file with eight different faults has all eight listed, in the order of its lines") {
  const std::string said = messages_about(golden / "eight_faults.yaml");
  CHECK(said.ends_with("8 errors\n"));
  int last = 0;
  int faults = 0;
  std::istringstream in(said);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("eight_faults.yaml:")) continue;
    const int at = std::stoi(line.substr(std::string("eight_faults.yaml:").size()));
    CHECK(at >= last);
    last = at;
    ++faults;
  }
  CHECK(faults == 8);
}
