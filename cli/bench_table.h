#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace pnflow {

// Takes the place of Google Benchmark's console output: keeps the repetitions of each measurement,
// and makes a table of their medians. Of an even number that is the mean of the two in the middle,
// as in Google Benchmark.
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
  // All in seconds, so that the rates of a row, which are made of them, belong together.
  struct Repetition {
    double message = 0;  // of one
    double event = 0;    // of one; 0: there are none
    double byte = 0;
    double processor = 0;  // processor time of a message
  };
  struct Row {
    double workers = 0;
    std::vector<Repetition> repetitions{};
  };

  static Repetition median(const std::vector<Repetition>& sorted);

  std::vector<Row> rows_;
};

}  // namespace pnflow
