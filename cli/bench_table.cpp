#include "cli/bench_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace pnflow {

namespace {

// "1.24 ms": what fits a column.
std::string time_text(double seconds) {
  if (seconds < 1e-6) return fmt::format("{:.3g} ns", seconds * 1e9);
  if (seconds < 1e-3) return fmt::format("{:.3g} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.3g} ms", seconds * 1e3);
  return fmt::format("{:.4g} s", seconds);
}

double counter(const benchmark::BenchmarkReporter::Run& run, const char* name) {
  const auto found = run.counters.find(name);
  return found == run.counters.end() ? 0 : found->second.value;
}

// Seconds for each, of a rate; 0 where there is none.
double inverse(double rate) { return rate > 0 ? 1 / rate : 0; }

}  // namespace

void BenchTable::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
    const double number = counter(run, workers);
    auto row = std::ranges::find(rows_, number, &Row::workers);
    if (row == rows_.end()) row = rows_.insert(rows_.end(), Row{.workers = number});
    const double unit = benchmark::GetTimeUnitMultiplier(run.time_unit);
    const double seconds = run.GetAdjustedRealTime() / unit;
    row->repetitions.push_back({.message = seconds,
                                .event = inverse(counter(run, "items_per_second")),
                                .byte = inverse(counter(run, "bytes_per_second")),
                                .processor = run.GetAdjustedCPUTime() / unit});
  }
}

BenchTable::Repetition BenchTable::median(const std::vector<Repetition>& sorted) {
  const Repetition& a = sorted[(sorted.size() - 1) / 2];
  const Repetition& b = sorted[sorted.size() / 2];
  return {.message = std::midpoint(a.message, b.message),
          .event = std::midpoint(a.event, b.event),
          .byte = std::midpoint(a.byte, b.byte),
          .processor = std::midpoint(a.processor, b.processor)};
}

std::string BenchTable::text(const std::string& workers_title, bool with_cores) const {
  std::string text =
      fmt::format("{:>9} {:>13} {:>11} {:>11} {:>10} {:>8}{}", workers_title, "time/message",
                  "time/event", "events/s", "MB/s", "spread", with_cores ? "  cores" : "");
  for (const Row& row : rows_) {
    auto sorted = row.repetitions;
    std::ranges::sort(sorted, {}, &Repetition::message);
    const Repetition middle = median(sorted);
    text += fmt::format("\n{:>9} {:>13} {:>11} {:>11} {:>10.1f} {:>7.1f}%", row.workers,
                        time_text(middle.message), middle.event > 0 ? time_text(middle.event) : "-",
                        middle.event > 0 ? fmt::format("{:.1f}", 1 / middle.event) : "-",
                        inverse(middle.byte) / 1e6,
                        100 * (sorted.back().message - sorted.front().message) / middle.message);
    if (with_cores) text += fmt::format(" {:>6.2f}", middle.processor / middle.message);
  }
  return text;
}

}  // namespace pnflow
