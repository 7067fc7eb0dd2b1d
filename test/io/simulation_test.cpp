#include "io/simulation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace pnflow;

namespace {

SimulationSettings small_settings(DType dtype) {
  SimulationSettings s;
  s.panels = 3;
  s.height = 60;
  s.width = 80;
  s.dtype = dtype;
  s.min_peaks = s.max_peaks = 8;
  return s;
}

template <class T>
struct Event {
  std::vector<T> pixels;
  std::vector<SimulatedPeak> peaks;
};

template <class T>
Event<T> render(const Simulation& simulation, std::uint64_t event) {
  Event<T> result;
  result.pixels.resize(simulation.event_bytes() / sizeof(T));
  result.peaks = simulation.render(event, std::as_writable_bytes(std::span(result.pixels)));
  return result;
}

bool same(const std::vector<SimulatedPeak>& a, const std::vector<SimulatedPeak>& b) {
  return std::ranges::equal(a, b, [](const SimulatedPeak& p, const SimulatedPeak& q) {
    return p.panel == q.panel && p.y == q.y && p.x == q.x && p.amplitude == q.amplitude;
  });
}

}  // namespace

TEST_CASE("a simulated event depends on its seed and its number only") {
  SimulationSettings settings = small_settings(DType::u16);
  const Simulation simulation(settings);
  const auto fifth = render<std::uint16_t>(simulation, 5);
  for (std::uint64_t n = 0; n < 5; ++n) {
    CHECK(render<std::uint16_t>(simulation, n).pixels != fifth.pixels);
  }
  const auto again = render<std::uint16_t>(Simulation(settings), 5);
  CHECK(again.pixels == fifth.pixels);
  CHECK(same(again.peaks, fifth.peaks));
  settings.seed = 2;
  const auto other = render<std::uint16_t>(Simulation(settings), 5);
  CHECK(other.pixels != fifth.pixels);
  CHECK_FALSE(same(other.peaks, fifth.peaks));
}

TEST_CASE("without noise the light of a simulated peak is centred at its true position") {
  SimulationSettings settings = small_settings(DType::f64);
  settings.background = settings.noise = 0;
  settings.sigma = 1.1;
  settings.min_amplitude = 100;
  settings.max_amplitude = 300;
  const auto event = render<double>(Simulation(settings), 3);
  REQUIRE(event.peaks.size() == 8);
  for (const SimulatedPeak& peak : event.peaks) {
    double sum = 0, sum_y = 0, sum_x = 0;
    const long row = std::lround(peak.y), column = std::lround(peak.x);
    for (long y = std::max(0L, row - 4); y <= std::min(59L, row + 4); ++y) {
      for (long x = std::max(0L, column - 4); x <= std::min(79L, column + 4); ++x) {
        const double value =
            event.pixels[static_cast<std::size_t>((peak.panel * 60L + y) * 80 + x)];
        sum += value;
        sum_y += value * static_cast<double>(y);
        sum_x += value * static_cast<double>(x);
      }
    }
    // The volume of a Gaussian is 2 pi sigma^2; near an edge 0.2 % of it may be cut off.
    CHECK(sum == doctest::Approx(2 * M_PI * 1.1 * 1.1 * peak.amplitude).epsilon(0.005));
    CHECK(std::abs(sum_y / sum - peak.y) < 0.02);
    CHECK(std::abs(sum_x / sum - peak.x) < 0.02);
  }
}

TEST_CASE("simulated peaks stand out of noise in every dtype") {
  for (const DType dtype : {DType::u16, DType::i16, DType::i32, DType::f32, DType::f64}) {
    CAPTURE(name_of(dtype));
    const Simulation simulation(small_settings(dtype));
    dispatch(dtype, [&](auto zero) {
      const auto event = render<decltype(zero)>(simulation, 0);
      CHECK(event.peaks.size() == 8);
      for (const SimulatedPeak& peak : event.peaks) {
        const auto at = static_cast<std::size_t>((peak.panel * 60 + std::lround(peak.y)) * 80 +
                                                 std::lround(peak.x));
        // Half a pixel off in both directions a spot of sigma 1.2 still has 84 % of its height.
        CHECK(static_cast<double>(event.pixels[at]) > 0.8 * static_cast<double>(peak.amplitude));
        CHECK(peak.amplitude >= 200);
        CHECK(peak.amplitude <= 2000);
      }
    });
  }
}

TEST_CASE("simulated background is Poisson and read noise is Gaussian") {
  SimulationSettings settings = small_settings(DType::f64);
  settings.min_peaks = settings.max_peaks = 0;
  settings.height = settings.width = 300;
  settings.background = 25;
  settings.noise = 3;
  const auto event = render<double>(Simulation(settings), 1);
  double mean = 0, variance = 0;
  for (const double value : event.pixels) mean += value;
  mean /= static_cast<double>(event.pixels.size());
  for (const double value : event.pixels) variance += (value - mean) * (value - mean);
  variance /= static_cast<double>(event.pixels.size());
  CHECK(mean == doctest::Approx(25).epsilon(0.005));
  CHECK(variance == doctest::Approx(25 + 9).epsilon(0.02));
  // Neighbours are independent.
  double covariance = 0;
  for (std::size_t i = 1; i < event.pixels.size(); ++i) {
    covariance += (event.pixels[i] - mean) * (event.pixels[i - 1] - mean);
  }
  CHECK(std::abs(covariance / static_cast<double>(event.pixels.size())) < 0.01 * variance);
}

TEST_CASE("bad pixels are the same in all simulated events, dead or hot, and no peak is on one") {
  SimulationSettings settings = small_settings(DType::u16);
  settings.bad_pixels = 0.02;
  const Simulation simulation(settings);
  const auto mask = simulation.mask();
  REQUIRE(mask.size() == 3 * 60 * 80);
  CHECK(std::ranges::count(mask, 1) == 288);
  CHECK(std::ranges::count(mask, 0) == 3 * 60 * 80 - 288);
  for (std::uint64_t n = 0; n < 3; ++n) {
    const auto event = render<std::uint16_t>(simulation, n);
    std::size_t hot = 0, dead = 0;
    for (std::size_t i = 0; i < mask.size(); ++i) {
      if (mask[i] == 0) continue;
      hot += event.pixels[i] == 8000 ? 1 : 0;
      dead += event.pixels[i] == 0 ? 1 : 0;
    }
    CHECK(hot == 144);
    CHECK(dead == 144);
    for (const SimulatedPeak& peak : event.peaks) {
      CHECK(mask[static_cast<std::size_t>((peak.panel * 60 + std::lround(peak.y)) * 80 +
                                          std::lround(peak.x))] == 0);
    }
  }
  CHECK(Simulation(small_settings(DType::u16)).mask().empty());
}

TEST_CASE("a simulation without panels gives images, and values are clamped to the dtype") {
  SimulationSettings settings = small_settings(DType::u16);
  settings.panels = 0;
  settings.min_amplitude = settings.max_amplitude = 1e6;
  settings.background = 0;
  settings.noise = 5;
  const Simulation simulation(settings);
  CHECK(simulation.event_shape() == Shape{60, 80});
  const auto event = render<std::uint16_t>(simulation, 0);
  for (const SimulatedPeak& peak : event.peaks) CHECK(peak.panel == 0);
  CHECK(std::ranges::max(event.pixels) == std::numeric_limits<std::uint16_t>::max());
  CHECK(std::ranges::count(event.pixels, 0) > 1000);  // the negative half of the noise
}

TEST_CASE(
    "the number of simulated peaks is drawn from its range, and fewer where there is no room") {
  SimulationSettings settings = small_settings(DType::f32);
  settings.min_peaks = 2;
  settings.max_peaks = 4;
  const Simulation simulation(settings);
  std::size_t least = 100, most = 0;
  for (std::uint64_t n = 0; n < 40; ++n) {
    const std::size_t found = render<float>(simulation, n).peaks.size();
    least = std::min(least, found);
    most = std::max(most, found);
  }
  CHECK(least == 2);
  CHECK(most == 4);

  settings.panels = 1;
  settings.height = settings.width = 12;
  settings.min_peaks = settings.max_peaks = 50;
  const auto crowded = render<float>(Simulation(settings), 0);
  CHECK(crowded.peaks.size() >= 1);
  CHECK(crowded.peaks.size() < 10);
}

TEST_CASE("a simulation that cannot be is refused") {
  const auto refused = [](auto change) {
    SimulationSettings settings = small_settings(DType::u16);
    change(settings);
    CHECK_THROWS_AS(Simulation{settings}, std::invalid_argument);
  };
  refused([](auto& s) { s.dtype = DType::u8; });
  refused([](auto& s) { s.height = 0; });
  refused([](auto& s) { s.min_peaks = 9; });
  refused([](auto& s) { s.min_amplitude = 5000; });
  refused([](auto& s) { s.sigma = 0; });
  refused([](auto& s) { s.noise = -1; });
  refused([](auto& s) { s.bad_pixels = 1.5; });
  const Simulation simulation(small_settings(DType::u16));
  std::vector<std::byte> short_by_one(simulation.event_bytes() - 1);
  CHECK_THROWS_AS(simulation.render(0, short_by_one), std::invalid_argument);
}
