// The nodes on messages of four 1920 x 1920 images: how many bytes of pixels per second one thread
// gets through.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <utility>

#include "brightest.h"
#include "csv_writer.h"
#include "gradient_source.h"
#include "graph/fake_run.h"

namespace {

using namespace pnflow;

my_nodes::GradientSource::Params large_images() {
  return {.count = UINT64_MAX, .events_per_message = 4, .rate = {}, .shape = {1920, 1920}};
}

Batch one_message() {
  test::FakeServices services;
  test::FakeSource run(services);
  return *my_nodes::GradientSource(large_images()).next(run);
}

void count_bytes(benchmark::State& state, const Batch& batch) {
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(batch.array("image").bytes()));
}

void gradient_source(benchmark::State& state) {
  test::FakeServices services;
  test::FakeSource run(services);
  my_nodes::GradientSource source(large_images());
  Batch batch;
  for (auto _ : state) batch = *source.next(run);
  count_bytes(state, batch);
}
BENCHMARK(gradient_source)->Unit(benchmark::kMillisecond);

void brightest(benchmark::State& state) {
  const my_nodes::Brightest node({.threshold = 100});
  const Batch batch = one_message();
  for (auto _ : state) {
    Context context(batch.events());
    benchmark::DoNotOptimize(node.process(batch, context));
  }
  count_bytes(state, batch);
}
BENCHMARK(brightest)->Unit(benchmark::kMillisecond);

void csv_writer_prepare(benchmark::State& state) {
  const my_nodes::CsvWriter writer({.file = "unused"});
  Batch batch = one_message();
  Context all(batch.events());
  batch = my_nodes::Brightest({.threshold = 0}).process(batch, all);
  for (auto _ : state) {
    Context context(batch.events());
    benchmark::DoNotOptimize(writer.prepare(batch, context));
  }
  count_bytes(state, batch);
}
BENCHMARK(csv_writer_prepare)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
