// What compressing one event of a CXI file costs (a simulated ePix10k2M, uint16), beside the time
// of the compressor's library alone: on bytes that are shuffled already, into memory that is there.

#include <benchmark/benchmark.h>
#include <bitshuffle.h>
#include <libdeflate.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "io/codecs.h"
#include "io/cxi_compression.h"
#include "io/simulation.h"

namespace {

using namespace pnflow;
using Bytes = std::vector<std::byte>;
using Kind = CxiCompression::Kind;

// As many as the writer's benchmark writes in turn: more than caches hold.
constexpr std::size_t distinct_events = 16;

const std::vector<Bytes>& events() {
  static const std::vector<Bytes> all = [] {
    SimulationSettings settings;
    settings.panels = 16;
    settings.height = 352;
    settings.width = 384;
    settings.dtype = DType::u16;
    settings.min_peaks = settings.max_peaks = 300;
    const Simulation simulation(settings);
    std::vector<Bytes> made(distinct_events, Bytes(simulation.event_bytes()));
    for (std::size_t event = 0; event < made.size(); ++event) simulation.render(event, made[event]);
    return made;
  }();
  return all;
}

const Bytes& event() { return events().front(); }

// Calls compress(pixels), which says the size, for each of the events in turn. The mean size.
template <class Compress>
std::size_t take_turns(benchmark::State& state, const std::vector<Bytes>& pixels,
                       const Compress& compress) {
  std::size_t stored = 0;
  std::size_t next = 0;
  for (auto _ : state) stored += compress(pixels[next++ % pixels.size()]);
  return stored / next;
}

void report(benchmark::State& state, std::size_t stored) {
  const auto size = static_cast<double>(event().size());
  state.counters["ratio"] =
      benchmark::Counter(size / static_cast<double>(stored), benchmark::Counter::kAvgThreads);
  state.SetBytesProcessed(static_cast<std::int64_t>(size) * state.iterations());
}

void pnflow_chunk(benchmark::State& state, const char* text) {
  const auto compression = parse_cxi_compression(text).value();
  report(state, take_turns(state, events(), [&](const Bytes& pixels) {
           return compress_chunk(pixels, DType::u16, compression).bytes();
         }));
}

void library_gzip(benchmark::State& state, int level) {
  const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
      libdeflate_alloc_compressor(level), &libdeflate_free_compressor);
  std::vector<Bytes> shuffled = events();
  for (std::size_t i = 0; i < shuffled.size(); ++i) codecs::shuffle(events()[i], 2, shuffled[i]);
  Bytes out(libdeflate_zlib_compress_bound(compressor.get(), event().size()));
  report(state, take_turns(state, shuffled, [&](const Bytes& pixels) {
           return libdeflate_zlib_compress(compressor.get(), pixels.data(), pixels.size(),
                                           out.data(), out.size());
         }));
}

void library_bitshuffle(benchmark::State& state, Kind kind, int level) {
  const std::size_t elements = event().size() / 2;
  Bytes out(bshuf_compress_zstd_bound(elements, 2, 0) + bshuf_compress_lz4_bound(elements, 2, 0));
  report(state, take_turns(state, events(), [&](const Bytes& pixels) {
           return static_cast<std::size_t>(
               kind == Kind::bitshuffle_lz4
                   ? bshuf_compress_lz4(pixels.data(), out.data(), elements, 2, 0)
                   : bshuf_compress_zstd(pixels.data(), out.data(), elements, 2, 0, level));
         }));
}

void byte_shuffle(benchmark::State& state, std::size_t width) {
  Bytes out(event().size());
  for (auto _ : state) codecs::shuffle(event(), width, out);
  report(state, out.size());
}

void register_all() {
  for (const char* text : {"gzip:1", "gzip:2", "gzip:3", "gzip:6", "bitshuffle_lz4",
                           "bitshuffle_zstd:1", "bitshuffle_zstd:3"}) {
    const auto compression = parse_cxi_compression(text).value();
    for (const int threads : {1, 2}) {
      benchmark::RegisterBenchmark((std::string("pnflow/") + text).c_str(), pnflow_chunk, text)
          ->Threads(threads)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
      const std::string name = std::string("library/") + text;
      if (compression.kind == Kind::gzip) {
        benchmark::RegisterBenchmark(name.c_str(), library_gzip, compression.level)
            ->Threads(threads)
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      } else {
        benchmark::RegisterBenchmark(name.c_str(), library_bitshuffle, compression.kind,
                                     compression.level)
            ->Threads(threads)
            ->UseRealTime()
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
  for (const std::size_t width : {2U, 4U, 8U}) {
    benchmark::RegisterBenchmark(("shuffle/" + std::to_string(width)).c_str(), byte_shuffle, width)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace

int main(int argc, char** argv) {
  register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
