// Peak finding from memory: maps and images are taken in turn from more of them than any cache
// holds. `sum` reads the same maps from end to end, which is as fast as the machine reads; `labels`
// finds the components of a map, `node` is the whole of find_peaks with properties and table.

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "graph/array.h"
#include "graph/memory.h"
#include "nodes/connected_components.h"
#include "nodes/find_peaks.h"

namespace {

using namespace pnflow;

constexpr std::size_t rotated_bytes = std::size_t{1} << 30;

struct Size {
  std::size_t panels, height, width, peaks;

  std::size_t rows() const { return panels * height; }
  bool operator==(const Size&) const = default;
};

Size size_of(const benchmark::State& state) {
  const auto n = [&](int i) { return static_cast<std::size_t>(state.range(i)); };
  return {n(0), n(1), n(2), n(3)};
}

// Calls visit(row, column) for the five to nine pixels of each of an event's peaks; rows count
// through the panels.
template <class Visit>
void draw_peaks(const Size& size, std::mt19937& random, const Visit& visit) {
  for (std::size_t i = 0; i < size.peaks; ++i) {
    const std::size_t y = random() % size.panels * size.height + 1 + random() % (size.height - 2);
    const std::size_t x = 1 + random() % (size.width - 2);
    const std::size_t corners = random();
    for (std::size_t k = 0; k < 9; ++k) {
      if (k % 2 == 1 || k == 4 || (corners >> k & 1) != 0) visit(y + k / 3 - 1, x + k % 3 - 1);
    }
  }
}

std::vector<std::uint8_t> byte_maps(const Size& size) {
  const std::size_t bytes = size.rows() * size.width;
  std::vector<std::uint8_t> maps(rotated_bytes / bytes * bytes);
  std::mt19937 random(1);
  for (std::size_t at = 0; at < maps.size(); at += bytes) {
    draw_peaks(size, random,
               [&](std::size_t y, std::size_t x) { maps[at + y * size.width + x] = 1; });
  }
  return maps;
}

std::vector<std::uint64_t> bit_maps(const Size& size) {
  const std::size_t stride = words_per_row(size.width);
  const std::size_t words = size.rows() * stride;
  std::vector<std::uint64_t> maps(rotated_bytes / 8 / words * words);
  std::mt19937 random(1);
  for (std::size_t at = 0; at < maps.size(); at += words) {
    draw_peaks(size, random, [&](std::size_t y, std::size_t x) {
      maps[at + y * stride + x / 64] |= std::uint64_t{1} << (x % 64);
    });
  }
  return maps;
}

// Background and noise, and 100 ADU more in the pixels of the same peaks.
Array images(const Size& size) {
  const std::size_t pixels = size.rows() * size.width;
  const std::size_t events = rotated_bytes / pixels;
  MutableArray array(*heap_pool(), DType::u16, {events, size.panels, size.height, size.width});
  const auto values = array.as<std::uint16_t>();
  std::mt19937 random(1);
  std::array<std::uint16_t, 65536> noise;
  std::normal_distribution<float> draw(1000.0F, 5.0F);
  for (auto& value : noise) value = static_cast<std::uint16_t>(draw(random));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = noise[i * 3 % 65521];
  random.seed(1);
  for (std::size_t event = 0; event < events; ++event) {
    draw_peaks(size, random, [&](std::size_t y, std::size_t x) {
      values[event * pixels + y * size.width + x] += 100;
    });
  }
  return std::move(array).freeze();
}

// The last scene, kept for the next repetition.
template <class Make>
const auto& kept(const Size& size, const Make& make) {
  static Size made_for{};
  static decltype(make(size)) scene;
  if (made_for != size) {
    scene = {};
    scene = make(size);
    made_for = size;
  }
  return scene;
}

void sum(benchmark::State& state) {
  const Size size = size_of(state);
  const auto& maps = kept(size, byte_maps);
  const std::size_t words = size.rows() * size.width / 8;
  std::size_t at = 0;
  for (auto _ : state) {
    if ((at + words) * 8 > maps.size()) at = 0;
    const auto* map = reinterpret_cast<const std::uint64_t*>(maps.data()) + at;
    std::array<std::uint64_t, 8> sums{};
    for (std::size_t i = 0; i < words; i += sums.size()) {
      for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += map[i + k];
    }
    benchmark::DoNotOptimize(sums);
    at += words;
  }
}

void labels_bytes(benchmark::State& state) {
  const Size size = size_of(state);
  const auto& maps = kept(size, byte_maps);
  const std::size_t panel = size.height * size.width;
  ConnectedComponents components;
  std::size_t at = 0;
  for (auto _ : state) {
    if (at + size.panels * panel > maps.size()) at = 0;
    for (std::size_t i = 0; i < size.panels; ++i, at += panel) {
      components.label_bytes(std::span(maps).subspan(at, panel), size.height, size.width,
                             Connectivity::eight);
      benchmark::DoNotOptimize(components.components().data());
    }
  }
}

void labels_bits(benchmark::State& state) {
  const Size size = size_of(state);
  const auto& maps = kept(size, bit_maps);
  const std::size_t panel = size.height * words_per_row(size.width);
  ConnectedComponents components;
  std::size_t at = 0;
  for (auto _ : state) {
    if (at + size.panels * panel > maps.size()) at = 0;
    for (std::size_t i = 0; i < size.panels; ++i, at += panel) {
      components.label_bits(std::span(maps).subspan(at, panel), size.height, size.width,
                            Connectivity::eight);
      benchmark::DoNotOptimize(components.components().data());
    }
  }
}

void node_bytes(benchmark::State& state) {
  const Size size = size_of(state);
  const auto& maps = kept(size, byte_maps);
  const Array& raw = kept(size, images);
  const Array segmaps(
      DType::u8, raw.shape(),
      {std::shared_ptr<const void>(), reinterpret_cast<const std::byte*>(maps.data())});
  FindPeaks::Params params;
  params.min_num_peak = 0;
  params.max_num_peak = 1'000'000;
  const FindPeaks node(params);
  std::size_t event = 0;
  for (auto _ : state) {
    Batch batch(1);
    batch.set("segmap", segmaps.slice(event, 1));
    batch.set("image", raw.slice(event, 1));
    Context context(1);
    benchmark::DoNotOptimize(node.process(batch, context));
    event = (event + 1) % raw.shape()[0];
  }
}

// Size by size, because the scenes are large.
void register_all(const Size& size) {
  const auto add = [&](const char* name, auto function) {
    benchmark::RegisterBenchmark(name, function)
        ->ArgNames({"panels", "height", "width", "peaks"})
        ->Args({static_cast<std::int64_t>(size.panels), static_cast<std::int64_t>(size.height),
                static_cast<std::int64_t>(size.width), static_cast<std::int64_t>(size.peaks)})
        ->Unit(benchmark::kMicrosecond);
  };
  add("sum", sum);
  add("labels_bytes", labels_bytes);
  add("labels_bits", labels_bits);
  add("node_bytes", node_bytes);
}

}  // namespace

int main(int argc, char** argv) {
  for (const std::size_t peaks : {0, 10, 50, 300, 1000, 5000}) register_all({1, 1920, 1920, peaks});
  register_all({16, 352, 384, 300});
  register_all({8, 512, 1024, 300});
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
