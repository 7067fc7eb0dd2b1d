#include "cli/node_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "cli/bench_table.h"
#include "graph/error.h"
#include "graph/log.h"
#include "graph/metrics.h"
#include "graph/source_drain.h"

namespace pnflow {

namespace {

constexpr std::size_t cache_line = 64;

// Twice the size of the processor's largest cache. sysconf() says the sum of all processors of a
// host, which takes longer to sweep than the measurement does.
std::size_t swept_bytes() {
  int largest = 0;
  for (const auto& cache : benchmark::CPUInfo::Get().caches) {
    largest = std::max(largest, cache.size);
  }
  constexpr int usual = 32 << 20;  // where Linux does not say
  return 2 * static_cast<std::size_t>(largest > 0 ? largest : usual);
}

}  // namespace

NodeBench::NodeBench(const Plan& plan, std::size_t node, Registry& registry)
    : plan_(plan), node_(node), registry_(registry) {}

void NodeBench::record(const RecordingLimits& limits, int at_once) {
  if (kind() == NodeKind::sink) {
    input_ = record_input(plan_, node_, registry_, limits);
    return;
  }
  open(at_once);
  input_ = record_input(plan_, node_, registry_, limits, solo_->input_pool());
  logger()->set_level(spdlog::level::warn);
  solo_->run(input_, input_.size());
  tally_ = solo_->tally();
  judge();
}

void NodeBench::open(int at_once) {
  if (solo_ && solo_at_once_ == at_once) return;
  solo_.reset();
  solo_ = std::make_unique<SoloNode>(plan_, node_, registry_, at_once);
  solo_->open();
  solo_at_once_ = at_once;
}

// A node that fails everything is quick, and its time means nothing.
void NodeBench::judge() const {
  const bool all_unreadable = Books::total(tally_.unreadable) == tally_.messages;
  if (!all_unreadable && (tally_.passed + tally_.vetoed > 0 || tally_.events == 0)) return;
  const auto& losses = all_unreadable ? tally_.unreadable : tally_.failed;
  throw RunError(fmt::format("'{}' fails on all of its input: {}", plan_.nodes[node_].name,
                             losses.empty() ? "nothing was delivered" : losses.begin()->first));
}

std::size_t NodeBench::input_bytes() const {
  return std::transform_reduce(input_.begin(), input_.end(), std::size_t{0}, std::plus<>(),
                               [](const RecordedInput& message) { return message.batch.bytes(); });
}

void NodeBench::measure(benchmark::State& state, int at_once, bool cold) {
  if (error_.empty()) {
    // What the node has to say of its input it has said, and will say again for each message.
    logger()->set_level(spdlog::level::err);
    state.counters[BenchTable::workers] = at_once;
    try {
      switch (kind()) {
        case NodeKind::source: measure_source(state); break;
        case NodeKind::sink: measure_sink(state, at_once); break;
        default: measure_transform(state, at_once, cold); break;
      }
    } catch (const std::exception& error) {
      error_ = error.what();
    }
  }
  if (!error_.empty()) state.SkipWithError(error_.c_str());
}

void NodeBench::measure_source(benchmark::State& state) {
  const auto drain =
      drain_source(plan_, node_, registry_, static_cast<std::uint64_t>(state.max_iterations));
  while (state.KeepRunningBatch(state.max_iterations)) state.SetIterationTime(drain.time.count());
  set_rates(state, drain.events, static_cast<double>(drain.bytes));
}

// A writer of its own for each measurement, because its close() is part of it.
void NodeBench::measure_sink(benchmark::State& state, int at_once) {
  SoloNode sink(plan_, node_, registry_, at_once);
  sink.open();
  const auto messages = static_cast<std::uint64_t>(state.max_iterations);
  while (state.KeepRunningBatch(state.max_iterations)) {
    sink.run(input_, messages);
    sink.close();
  }
  tally_ = sink.tally();
  judge();
  set_rates(state, tally_.events,
            static_cast<double>(input_bytes()) / static_cast<double>(input_.size()) *
                static_cast<double>(messages));
}

void NodeBench::run_cold(benchmark::State& state) {
  std::vector<char> sweep(swept_bytes());
  for (auto _ : state) {
    for (std::size_t i = 0; i < sweep.size(); i += cache_line) ++sweep[i];
    benchmark::DoNotOptimize(sweep.data());
    benchmark::ClobberMemory();
    const auto start = Clock::now();
    solo_->run(input_, 1);
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - start).count());
  }
}

void NodeBench::measure_transform(benchmark::State& state, int at_once, bool cold) {
  open(at_once);
  const auto messages = static_cast<std::uint64_t>(state.max_iterations);
  const std::uint64_t events_before = solo_->tally().events;
  if (cold) {
    run_cold(state);
  } else {
    while (state.KeepRunningBatch(state.max_iterations)) solo_->run(input_, messages);
  }
  set_rates(state, solo_->tally().events - events_before,
            static_cast<double>(input_bytes()) / static_cast<double>(input_.size()) *
                static_cast<double>(messages));
}

void NodeBench::set_rates(benchmark::State& state, std::uint64_t events, double bytes) const {
  state.SetItemsProcessed(static_cast<std::int64_t>(events));
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}

}  // namespace pnflow
