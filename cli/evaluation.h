#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "graph/ledger.h"
#include "io/peak_score.h"
#include "io/peak_truth.h"

namespace pnflow {

// What `pnflow evaluate` tells of peaks and their truth.
struct Evaluation {
  std::string truth;
  double radius = 2;                   // pixels
  std::size_t files = 0, events = 0;   // CXI files, and the events in them
  std::size_t repeated = 0;            // events whose time stamp occurs again: the last counts
  std::size_t unknown = 0;             // events whose time stamp is not in the truth
  std::size_t cut = 0;                 // events whose peak lists cannot be read to their end
  std::optional<Books::Events> run{};  // of the graph, where one was run
  PeakScore score{};
  std::uint64_t worst_timestamp = 0;  // of the worst event, where there is one
};

// Reads the peaks of these CXI files and scores them. Masters, which only refer to other files, are
// left out. Throws RunError that names the file: it is not there, damaged, no CXI file, has images
// of another size than the truth, or no time stamps; or no event at all is one of the truth's.
Evaluation evaluate_files(const std::string& truth_file, const PeakTruth& truth,
                          std::vector<std::string> files, double radius);

// For people: several lines.
std::string evaluation_text(const Evaluation& evaluation);
// One line for each thing that is odd about the files, or that became of events of the run.
std::vector<std::string> evaluation_warnings(const Evaluation& evaluation);
// {truth, radius, files,
//  events {crystals, blanks, crystals_present, blanks_present, in_files, repeated, unknown, cut},
//  run {decoded, delivered, vetoed, failed} or null,
//  reflections, found,
//  peaks {matched, duplicate, false, false_on_blanks, ignored},
//  recall, precision, f1,
//  recall_by_snr [{from, to, reflections, found, recall, position}],
//  position {median, p95, mean_fs, mean_ss},
//  worst {event, timestamp, reflections, found, lost} or null}
// A ratio over nothing, and the end of the last bin, are null.
nlohmann::ordered_json evaluation_json(const Evaluation& evaluation);

}  // namespace pnflow
