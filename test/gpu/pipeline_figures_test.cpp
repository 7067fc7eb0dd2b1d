#include "gpu/pipeline_figures.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>

using namespace pnflow;

namespace {

double value(const std::vector<Figure>& figures, const std::string& name) {
  const auto found = std::ranges::find(figures, name, &Figure::name);
  REQUIRE(found != figures.end());
  return found->value;
}

}  // namespace

TEST_CASE("copies in both directions are bytes of the whole time and shares of it") {
  PipelineFigures figures;
  figures.bytes_up = 3'000'000'000;
  figures.bytes_down = 12'000'000'000;
  figures.up = std::chrono::milliseconds(500);
  figures.down = std::chrono::milliseconds(1500);
  figures.wall = std::chrono::seconds(2);
  const auto shown = figures_of(figures, "device 0");
  CHECK(value(shown, "H2D") == doctest::Approx(1.5));
  CHECK(value(shown, "H2D busy") == doctest::Approx(25));
  CHECK(value(shown, "D2H") == doctest::Approx(6));
  CHECK(value(shown, "D2H busy") == doctest::Approx(75));
}

TEST_CASE("launches of CUDA graphs and memory are shown as counted") {
  PipelineFigures figures;
  figures.micro_batches = 9;
  figures.graph_launches = 7;
  figures.device_bytes = 3U << 20U;
  const auto shown = figures_of(figures, "device 0");
  CHECK(value(shown, "micro-batches") == 9);
  CHECK(value(shown, "graph launches") == 7);
  CHECK(value(shown, "device memory") == 3);
}

TEST_CASE("a pipeline that has done nothing shows zeros") {
  for (const Figure& figure : figures_of({}, "device 0")) CHECK(figure.value == 0);
}
