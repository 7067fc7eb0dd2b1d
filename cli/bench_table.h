#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace pnflow {

// Takes the place of Google Benchmark's console output: keeps the repetitions of each measurement,
// and makes a table of those in the middle.
class BenchTable : public benchmark::BenchmarkReporter {
 public:
  // What a measurement has to set as its counters, beside bytes_per_second and items_per_second
  // (events): the workers.
  static constexpr const char* workers = "workers";

  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override;

  // A row for each number of workers, headed `workers_title`; "cores": processor time over time,
  // where it was measured of the whole process.
  std::string text(const std::string& workers_title, bool with_cores) const;

 private:
  struct Repetition {
    double message = 0;            // seconds
    double events = 0, bytes = 0;  // per second
    double cores = 0;
  };
  struct Row {
    double workers = 0;
    std::vector<Repetition> repetitions{};
  };
  std::vector<Row> rows_;
};

}  // namespace pnflow
