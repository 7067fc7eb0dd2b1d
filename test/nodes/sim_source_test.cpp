#include "nodes/sim_source.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <set>
#include <thread>

#include "graph/error.h"
#include "graph/fake_run.h"

using namespace pnflow;
using pnflow::test::FakeOpen;
using pnflow::test::FakeServices;
using pnflow::test::FakeSource;

namespace {

SimSource::Params small_params() {
  SimSource::Params p;
  p.shape = {2, 40, 50};
  p.events_per_message = 3;
  p.count = 7;
  p.peaks = {4};
  return p;
}

// A source that is open, and what it may ask.
struct Running {
  explicit Running(SimSource::Params params) : source(std::move(params)) { source.open(open); }
  std::optional<Batch> next() { return source.next(context); }
  std::vector<Batch> all() {
    std::vector<Batch> batches;
    while (auto batch = next()) batches.push_back(*std::move(batch));
    return batches;
  }

  FakeServices services;
  FakeOpen open{services};
  FakeSource context{services};
  SimSource source;
};

}  // namespace

TEST_CASE(
    "sim_source gives the fields of decode, and ends after its count with a partial message") {
  Running run(small_params());
  CHECK(run.open.expected_events == 7);
  const auto batches = run.all();
  REQUIRE(batches.size() == 3);
  CHECK(batches[0].events() == 3);
  CHECK(batches[2].events() == 1);
  CHECK_FALSE(run.next());
  const Batch& batch = batches[1];
  CHECK(batch.array("image").shape() == Shape{3, 2, 40, 50});
  CHECK(batch.array("image").dtype() == DType::u16);
  CHECK(batch.array("photon_energy").as<double>()[2] == 9500);
  CHECK(batch.array("wavelength").as<double>()[0] == doctest::Approx(12398.4193 / 9500));
  CHECK_FALSE(batch.has("mask"));
  CHECK(batch.table("truth").events() == 3);
}

TEST_CASE("time stamps of sim_source are unique, 120 in a second, from the start time on") {
  auto params = small_params();
  params.shape = {4, 4};
  params.peaks = {0};
  params.count = 300;
  params.start_time = 1000;
  Running run(params);
  std::vector<std::uint64_t> stamps;
  for (const Batch& batch : run.all()) {
    for (const auto stamp : batch.array("timestamp").as<std::uint64_t>()) stamps.push_back(stamp);
  }
  REQUIRE(stamps.size() == 300);
  CHECK(std::set(stamps.begin(), stamps.end()).size() == 300);
  CHECK(stamps[0] == (std::uint64_t{1000} << 32U));
  CHECK(stamps[1] == (std::uint64_t{1000} << 32U) + 8'333'333U);
  CHECK(stamps[240] == (std::uint64_t{1002} << 32U));
}

TEST_CASE("peaks of sim_source's truth table are where the light is") {
  auto params = small_params();
  params.dtype = DType::f32;
  Running run(params);
  const Batch batch = *run.next();
  const auto image = batch.array("image").as<float>();
  const RaggedTable& truth = batch.table("truth");
  const auto panel = truth.column("panel").as<std::int32_t>();
  const auto y = truth.column("y").as<double>();
  const auto x = truth.column("x").as<double>();
  const auto amplitude = truth.column("amplitude").as<float>();
  REQUIRE(truth.rows() > 6);
  for (std::size_t event = 0; event < 3; ++event) {
    for (std::size_t row = truth.offsets[event]; row < truth.offsets[event + 1]; ++row) {
      const auto at = static_cast<long>(event) * 4000 + panel[row] * 2000L +
                      std::lround(y[row]) * 50 + std::lround(x[row]);
      CHECK(image[static_cast<std::size_t>(at)] > 0.8F * amplitude[row]);
    }
  }
}

TEST_CASE("sim_source sends the same events however they are divided into messages") {
  auto params = small_params();
  const auto threes = Running(params).all();
  params.events_per_message = 7;
  const auto seven = Running(params).all();
  REQUIRE(seven.size() == 1);
  const Array all = seven[0].array("image");
  std::size_t first = 0;
  for (const Batch& batch : threes) {
    const auto part = all.slice(first, batch.events()).raw();
    const auto raw = batch.array("image").raw();
    CHECK(std::equal(raw.begin(), raw.end(), part.begin(), part.end()));
    first += batch.events();
  }
}

TEST_CASE("preloaded messages are sent again from the same memory with new time stamps") {
  auto params = small_params();
  params.preload = 2;
  params.count = 14;
  const auto batches = Running(params).all();
  REQUIRE(batches.size() == 5);
  const auto pixels = [&](std::size_t i) { return batches[i].array("image").raw().data(); };
  CHECK(pixels(0) == pixels(2));
  CHECK(pixels(1) == pixels(3));
  CHECK(pixels(0) != pixels(1));
  CHECK(pixels(4) == pixels(0));  // two events of the first message
  CHECK(batches[4].events() == 2);
  CHECK(batches[4].table("truth").rows() == batches[0].table("truth").offsets[2]);
  CHECK(batches[4].table("truth").column("y").raw().data() ==
        batches[0].table("truth").column("y").raw().data());
  std::set<std::uint64_t> stamps;
  for (const Batch& batch : batches) {
    for (const auto stamp : batch.array("timestamp").as<std::uint64_t>()) stamps.insert(stamp);
  }
  CHECK(stamps.size() == 14);
}

TEST_CASE("sim_source attaches the mask when there are bad pixels, and leaves out unwanted truth") {
  auto params = small_params();
  params.shape = {40, 50};
  params.bad_pixels = 0.01;
  params.truth = false;
  const Batch batch = *Running(params).next();
  CHECK(batch.array("image").shape() == Shape{3, 40, 50});
  CHECK(batch.array("mask").shape() == Shape{40, 50});
  const auto mask = batch.array("mask").as<std::uint8_t>();
  CHECK(std::ranges::count(mask, 1) == 20);
  CHECK_FALSE(batch.has("truth"));
}

TEST_CASE("sim_source keeps to its rate, and stops within 100 ms while it waits") {
  using namespace std::chrono;
  auto params = small_params();
  params.shape = {4, 4};
  params.peaks = {0};
  params.events_per_message = 1;
  params.count = 0;
  params.rate = Rate{100};
  Running run(params);
  CHECK(run.open.expected_events == 0);
  const auto start = steady_clock::now();
  for (int i = 0; i < 11; ++i) REQUIRE(run.next());
  // Ten intervals of 10 ms; the sender may be late, but never early.
  CHECK(steady_clock::now() - start >= milliseconds(99));

  params.rate = Rate{0.01};
  Running slow(params);
  REQUIRE(slow.next());
  std::jthread stopper([&] {
    std::this_thread::sleep_for(milliseconds(30));
    slow.context.stop = true;
  });
  const auto asked = steady_clock::now();
  CHECK_FALSE(slow.next());
  CHECK(steady_clock::now() - asked < seconds(2));
}

TEST_CASE("sim_source that is stopped before it has begun sends nothing") {
  auto params = small_params();
  params.preload = 4;
  Running run(params);
  run.context.stop = true;
  CHECK_FALSE(run.next());
}
