#include "cli/bench_table.h"

#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

void BenchTable::ReportRuns(const std::vector<Run>& runs) {
  for (const Run& run : runs) {
    if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
    const double number = counter(run, workers);
    auto row = std::ranges::find(rows_, number, &Row::workers);
    if (row == rows_.end()) row = rows_.insert(rows_.end(), Row{.workers = number});
    const double unit = benchmark::GetTimeUnitMultiplier(run.time_unit);
    const double seconds = run.GetAdjustedRealTime() / unit;
    row->repetitions.push_back({seconds, counter(run, "items_per_second"),
                                counter(run, "bytes_per_second"),
                                run.GetAdjustedCPUTime() / run.GetAdjustedRealTime()});
  }
}

std::string BenchTable::text(const std::string& workers_title, bool with_cores) const {
  std::string text =
      fmt::format("{:>9} {:>13} {:>11} {:>11} {:>10} {:>8}{}", workers_title, "time/message",
                  "time/event", "events/s", "MB/s", "spread", with_cores ? "  cores" : "");
  for (const Row& row : rows_) {
    auto sorted = row.repetitions;
    std::ranges::sort(sorted, {}, &Repetition::message);
    const Repetition& middle = sorted[sorted.size() / 2];
    text += fmt::format(
        "\n{:>9} {:>13} {:>11} {:>11} {:>10.1f} {:>7.1f}%", row.workers, time_text(middle.message),
        middle.events > 0 ? time_text(1 / middle.events) : "-",
        middle.events > 0 ? fmt::format("{:.1f}", middle.events) : "-", middle.bytes / 1e6,
        100 * (sorted.back().message - sorted.front().message) / middle.message);
    if (with_cores) text += fmt::format(" {:>6.2f}", middle.cores);
  }
  return text;
}

}  // namespace pnflow
