// The node find_peaks on one 1920x1920 float32 image: as it runs in a graph, and its parts.

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "nodes/find_peaks.h"
#include "nodes/peak_properties.h"

namespace {

using namespace pnflow;

constexpr std::size_t side = 1920;

struct Input {
  std::vector<std::uint8_t> bytes;
  std::vector<std::uint64_t> bits;
  std::vector<float> image;
};

// Discs of 1 to 3 pixels radius at random places.
Input make_input(std::int64_t peaks) {
  Input input{std::vector<std::uint8_t>(side * side), std::vector<std::uint64_t>(side * side / 64),
              std::vector<float>(side * side)};
  std::mt19937 random(1);
  std::normal_distribution<float> noise(10.0F, 2.0F);
  for (float& pixel : input.image) pixel = noise(random);
  std::uniform_int_distribution<int> place(4, side - 5);
  std::uniform_int_distribution<int> radius(1, 3);
  for (std::int64_t i = 0; i < peaks; ++i) {
    const int y = place(random);
    const int x = place(random);
    const int r = radius(random);
    for (int dy = -r; dy <= r; ++dy) {
      for (int dx = -r; dx <= r; ++dx) {
        if (dy * dy + dx * dx > r * r) continue;
        const auto at = static_cast<std::size_t>(y + dy) * side + static_cast<std::size_t>(x + dx);
        input.bytes[at] = 1;
        input.bits[at / 64] |= std::uint64_t{1} << (at % 64);
        input.image[at] += 200.0F;
      }
    }
  }
  return input;
}

// As many inputs as do not fit into the caches, as in a stream of images.
constexpr std::size_t inputs_in_turn = 8;

template <class T>
Array array_on_heap(Shape shape, const std::vector<T>& values) {
  return array_of(*heap_pool(), values).reshaped(std::move(shape));
}

void find_peaks(benchmark::State& state, bool bits) {
  const Input input = make_input(state.range(0));
  std::vector<Batch> batches;
  for (std::size_t i = 0; i < inputs_in_turn; ++i) {
    batches.emplace_back(1);
    batches.back().set("image", array_on_heap({1, side, side}, input.image));
    batches.back().set("segmap", bits ? array_on_heap({1, side, side / 64}, input.bits)
                                      : array_on_heap({1, side, side}, input.bytes));
  }
  FindPeaks::Params params;
  params.max_num_peak = 10000;
  const FindPeaks node(params);
  std::size_t rows = 0;
  std::size_t turn = 0;
  for (auto _ : state) {
    Context context(1);
    const Batch out = node.process(batches[turn++ % inputs_in_turn], context);
    rows = out.table("peaks").rows();
  }
  state.counters["peaks"] = static_cast<double>(rows);
}

void label_only(benchmark::State& state, bool bits) {
  const Input input = make_input(state.range(0));
  const std::vector<Input> inputs(inputs_in_turn, input);
  ConnectedComponents components;
  std::size_t turn = 0;
  for (auto _ : state) {
    const Input& one = inputs[turn++ % inputs_in_turn];
    if (bits) {
      components.label_bits(one.bits, side, side, Connectivity::eight);
    } else {
      components.label_bytes(one.bytes, side, side, Connectivity::eight);
    }
    benchmark::DoNotOptimize(components.components().data());
  }
  state.counters["peaks"] = static_cast<double>(components.components().size());
}

// Every second pixel of a checkerboard is a component of four neighbours: the most there can be.
void label_checkerboard(benchmark::State& state) {
  std::vector<std::uint8_t> bytes(side * side);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = (i / side + i % side) % 2 == 0;
  ConnectedComponents components;
  for (auto _ : state) {
    components.label_bytes(bytes, side, side, Connectivity::four);
    benchmark::DoNotOptimize(components.components().data());
  }
  state.counters["peaks"] = static_cast<double>(components.components().size());
}

BENCHMARK_CAPTURE(find_peaks, bytes, false)
    ->Arg(50)
    ->Arg(300)
    ->Arg(5000)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(find_peaks, bits, true)
    ->Arg(50)
    ->Arg(300)
    ->Arg(5000)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(label_only, bytes, false)
    ->Arg(50)
    ->Arg(300)
    ->Arg(5000)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(label_only, bits, true)
    ->Arg(50)
    ->Arg(300)
    ->Arg(5000)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(label_checkerboard)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
