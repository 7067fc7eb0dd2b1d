#include "graph/topology.h"

#include <doctest/doctest.h>

#include "graph/config.h"

using namespace pnflow;

namespace {

Topology read(const std::string& yaml, Diagnostics& diagnostics) {
  return read_topology(read_yaml(yaml, diagnostics.add_text("t", yaml), diagnostics), diagnostics);
}

std::string edges_of(const std::string& edges) {
  Diagnostics diagnostics;
  std::string text;
  for (const auto& edge :
       read("pnflow: 1\nnodes: { a: { type: x } }\nedges: " + edges, diagnostics).edges) {
    text += edge.from + ">" + edge.to + " ";
  }
  CHECK(diagnostics.render() == "");
  return text;
}

}  // namespace

TEST_CASE("a chain is edges, with fan-out and merge") {
  CHECK(edges_of("[ a -> b -> c ]") == "a>b b>c ");
  CHECK(edges_of("a->b") == "a>b ");
  CHECK(edges_of("[ 'a -> b, c', \"d , e->f\" ]") == "a>b a>c d>f e>f ");
  CHECK(edges_of("\n  - a -> b, c -> d") == "a>b a>c b>d c>d ");
}

TEST_CASE("every name of a chain has its place, behind a quotation mark too") {
  Diagnostics diagnostics;
  const auto topology = read(
      "pnflow: 1\nnodes: { a: { type: x } }\nedges:\n  - a -> b\n  - \"bb ->  c\"\n", diagnostics);
  REQUIRE(topology.edges.size() == 2);
  CHECK(topology.edges[0].from_mark == Mark{0, 4, 5});
  CHECK(topology.edges[0].to_mark == Mark{0, 4, 10});
  CHECK(topology.edges[1].from_mark == Mark{0, 5, 6});
  CHECK(topology.edges[1].to_mark == Mark{0, 5, 13});
}

TEST_CASE("the keys of the top level have their defaults") {
  Diagnostics diagnostics;
  const auto topology = read("pnflow: 1\nnodes: { a: { type: x } }\nedges: a -> b", diagnostics);
  CHECK(!topology.window);
  CHECK(!topology.threads);
  CHECK(topology.stall_report == std::chrono::seconds(30));
  CHECK(topology.keep_directory == "kept");
  CHECK(topology.plugins.empty());
}

TEST_CASE("the keys of the top level are read") {
  Diagnostics diagnostics;
  const auto topology = read(
      "pnflow: 1\nname: live\nwindow: 24\nthreads: 3\nstall_report: 0 s\nkeep_directory: bad\n"
      "plugins: [a.so, b.so]\ndetector: { mask: m.h5 }\nnodes: { a: { type: x, y: 1 } }\nedges: a "
      "-> b",
      diagnostics);
  CHECK(diagnostics.render() == "");
  CHECK(topology.name == "live");
  CHECK(topology.window == 24);
  CHECK(topology.window_mark == Mark{0, 3, 9});
  CHECK(topology.threads == 3);
  CHECK(topology.stall_report == Duration::zero());
  CHECK(topology.keep_directory == "bad");
  REQUIRE(topology.plugins.size() == 2);
  CHECK(topology.plugins[1].first == "b.so");
  CHECK(topology.plugins[1].second == Mark{0, 7, 17});
  CHECK(topology.detector.find("mask")->text == "m.h5");
  REQUIRE(topology.nodes.size() == 1);
  CHECK(topology.nodes[0].type == "x");
  CHECK(topology.nodes[0].settings.find("y")->text == "1");
}
