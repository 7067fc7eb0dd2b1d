#include "graph/include.h"

#include <doctest/doctest.h>

#include <fstream>

#include "graph/config.h"
#include "graph/param.h"
#include "test/support/scratch_directory.h"

using namespace pnflow;

namespace {

// Files of the test by name; what graph `text` is once they are taken in, or the messages.
class Files {
 public:
  void add(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((directory_.path() / name).parent_path());
    std::ofstream(directory_.path() / name) << text;
  }
  std::string taken_in(const std::string& text) const {
    Diagnostics diagnostics;
    Value graph = read_yaml(text, diagnostics.add_text("graph.yaml", text), diagnostics);
    take_in_includes(graph, directory_.path() / "graph.yaml", diagnostics);
    return diagnostics.ok() ? value_text(graph) : diagnostics.render();
  }

 private:
  test::ScratchDirectory directory_;
};

}  // namespace

TEST_CASE("a graph takes in what it does not say itself, key by key") {
  Files files;
  files.add("base.yaml",
            "window: 8\nnodes: { q1: { type: limiter, capacity: 2 }, end: { type: sink } }\n"
            "edges: [a -> b]\n");
  CHECK(files.taken_in("pnflow: 1\ninclude: base.yaml\nnodes: { q1: { capacity: 4 } }\n"
                       "edges: [c -> d]\n") ==
        "{ pnflow: 1, nodes: { q1: { capacity: 4, type: limiter }, end: { type: sink } }, "
        "edges: [\"c -> d\"], window: 8 }");
}

TEST_CASE("a later file of the list goes before an earlier one") {
  Files files;
  files.add("one.yaml", "a: 1\nb: 1\n");
  files.add("two.yaml", "b: 2\nc: 2\n");
  CHECK(files.taken_in("include: [one.yaml, two.yaml]\nc: 3\n") == "{ c: 3, b: 2, a: 1 }");
}

TEST_CASE("included files include others, relative to where they are") {
  Files files;
  files.add("site/base.yaml", "include: [limits/small.yaml, limits/small.yaml]\na: 1\n");
  files.add("site/limits/small.yaml", "b: 2\n");
  CHECK(files.taken_in("include: site/base.yaml\n") == "{ a: 1, b: 2 }");
}

TEST_CASE("a key without a value keeps an included one out") {
  Files files;
  files.add("base.yaml", "detector: { mask: m.h5 }\n");
  CHECK(files.taken_in("include: base.yaml\ndetector:\n") == "{ detector: null }");
}

TEST_CASE("a graph without the key stays as it is, and so does one that is no map") {
  const Files files;
  CHECK(files.taken_in("a: 1\n") == "{ a: 1 }");
  CHECK(files.taken_in("") == "");
  CHECK(files.taken_in("[include]") == "[include]");
}

TEST_CASE("a fault of an included file is shown where it is") {
  Files files;
  files.add("base.yaml", "a: 1\nb: [\n");
  CHECK(files.taken_in("include: base.yaml\n").find("base.yaml:3:") != std::string::npos);
}
