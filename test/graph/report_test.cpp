#include "graph/report.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "test/graph/support/plan_builder.h"
#include "test/graph/support/quiet.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

// Says of itself how many messages it has seen.
struct Telling : Transform {
  struct Params {};
  static void describe(Spec<Params>&) {}
  explicit Telling(Params) {}
  Batch process(const Batch& in, Context&) const {
    ++seen;
    return in;
  }
  std::vector<Figure> figures() override {
    return {{"lane 0", "seen", static_cast<double>(seen), "messages"}};
  }
  mutable std::atomic<int> seen = 0;
};

RunStatus with_figures(std::vector<Figure> figures) {
  RunStatus status;
  status.nodes.resize(2);
  status.nodes[0].name = "decode";
  status.nodes[1].name = "infer";
  status.nodes[1].figures = std::move(figures);
  return status;
}

nlohmann::json figures_in_report(const RunStatus& status, std::size_t node) {
  const std::string text = report_json({"run", "graph.yaml", "{}", ""}, status, Outcome::done);
  return nlohmann::json::parse(text)["nodes"][node]["figures"];
}

}  // namespace

TEST_CASE("figures of a node are in the report by group and name, with their units") {
  const RunStatus status = with_figures({{"device 0", "rate", 55.125, "images/s"},
                                         {"device 1", "rate", 54, "images/s"},
                                         {"device 0", "compute busy", 99.1, "%"},
                                         {"device 1", "fill", std::nan(""), ""}});
  CHECK(figures_in_report(status, 0) == nlohmann::json::object());
  const auto figures = figures_in_report(status, 1);
  CHECK(figures["device 0"]["rate"] == nlohmann::json{{"value", 55.125}, {"unit", "images/s"}});
  CHECK(figures["device 0"]["compute busy"]["value"] == 99.1);
  CHECK(figures["device 1"]["rate"]["value"] == 54);
  CHECK(figures["device 1"]["fill"]["value"].is_null());
}

TEST_CASE("figures of a node are a line for each group below the table") {
  const RunStatus status = with_figures({{"device 1", "rate", 54, "images/s"},
                                         {"device 0", "rate", 1204.4, "images/s"},
                                         {"device 1", "compute busy", 99.14, "%"},
                                         {"", "fill", 0.98765, ""},
                                         {"device 0", "idle", -0.0012, "s"},
                                         {"", "largest", 999.6, "MiB"}});
  const std::string table = node_table(status);
  CHECK(table.substr(table.find("\ninfer device")) ==
        "\ninfer device 1: rate 54 images/s, compute busy 99.1 %"
        "\ninfer device 0: rate 1204 images/s, idle -0.0012 s"
        "\ninfer: fill 0.988, largest 1000 MiB");
}

TEST_CASE("figures are asked for while a run goes on and after its nodes are closed") {
  const Quiet quiet;
  PlanBuilder graph;
  graph.registry.add<Telling>("telling");
  const auto source = graph.add("counting", Counting::Params{.messages = 500});
  const auto telling = graph.add("telling", Telling::Params{}, {source}, 2);
  graph.add("collecting", Collecting::Params{.delay = 100us}, {telling});
  RunControl control;
  Engine engine(graph.plan, graph.registry, control);
  engine.open();
  {
    const std::jthread watcher([&](const std::stop_token& stop) {
      double before = 0;
      while (!stop.stop_requested()) {
        const double now = engine.status().nodes[telling].figures.at(0).value;
        CHECK(now >= before);
        before = now;
      }
    });
    engine.run();
  }
  CHECK(figures_in_report(engine.status(), telling)["lane 0"]["seen"]["value"] == 500);
}
