// The threshold engine's peak finder, by image size: nanoseconds a pixel are what counts.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <vector>

#include "gpu/threshold.h"

namespace {

using namespace pnflow;

// Photons of 10 ADU over a weak background, and a spot every thousand pixels or so.
std::vector<std::int16_t> detector_image(std::size_t height, std::size_t width) {
  std::mt19937 random(1);
  std::poisson_distribution<int> photons(0.2);
  std::vector<std::int16_t> pixels(height * width);
  for (auto& x : pixels)
    x = static_cast<std::int16_t>(10 * photons(random) + static_cast<int>(random() % 3));
  for (std::size_t i = 0; i + width + 1 < pixels.size(); i += 997) {
    for (const std::size_t at : {i, i + 1, i + width, i + width + 1}) pixels[at] += 60;
  }
  return pixels;
}

void find(benchmark::State& state) {
  const auto height = static_cast<std::size_t>(state.range(0));
  const auto width = static_cast<std::size_t>(state.range(1));
  ThresholdSettings settings;
  settings.radius = static_cast<int>(state.range(2));
  const auto pixels = detector_image(height, width);
  ThresholdFinder finder(settings);
  for (auto _ : state) {
    benchmark::DoNotOptimize(finder.find(reinterpret_cast<const std::byte*>(pixels.data()),
                                         DType::i16, nullptr, height, width, width));
  }
  const auto done = static_cast<double>(state.iterations()) * static_cast<double>(pixels.size());
  state.counters["s_per_pixel"] =
      benchmark::Counter(done, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace

BENCHMARK(find)
    ->ArgNames({"height", "width", "radius"})
    ->Args({352, 384, 7})
    ->Args({352, 384, 15})
    ->Args({1920, 1920, 7})
    ->Unit(benchmark::kMillisecond);

BENCHMARK_MAIN();
