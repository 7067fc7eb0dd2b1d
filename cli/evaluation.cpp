#include "cli/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "graph/error.h"
#include "graph/mapped_file.h"
#include "io/cxi_datasets.h"
#include "io/cxi_reader.h"

namespace pnflow {
namespace {

// Throws DataError when the events of this file cannot be those of the truth.
void check_fit(const CxiReader& reader, const PeakTruth& truth) {
  for (const std::string& path : {std::string(cxi_path::timestamp), cxi_result("nPeaks"),
                                  cxi_result("peakXPosRaw"), cxi_result("peakYPosRaw")}) {
    if (reader.info(path) == nullptr) {
      throw DataError("not CXI", fmt::format("there is no {} that can be read", path));
    }
  }
  const DatasetInfo* images = reader.info(cxi_path::data);
  if (images == nullptr || images->shape.size() != 3) return;
  const Shape found{images->shape[1], images->shape[2]};
  const Shape expected{truth.panels * truth.height, truth.width};
  if (found == expected) return;
  throw DataError("wrong shape",
                  fmt::format("the images are {}, those of the truth {}: {} panels of {}, one "
                              "below the other",
                              to_string(found), to_string(expected), truth.panels,
                              to_string(Shape{truth.height, truth.width})));
}

// Takes the peak lists of CXI files together, an entry for each event of the truth.
class Collector {
 public:
  Collector(const PeakTruth& truth, Evaluation& evaluation)
      : truth_(truth), evaluation_(evaluation), peaks_(truth.events.size()) {
    for (std::size_t i = 0; i < truth.events.size(); ++i) by_time_[truth.events[i].timestamp] = i;
  }

  void add(const CxiReader& reader) {
    check_fit(reader, truth_);
    for (std::size_t i = 0; i < reader.events(); ++i) {
      ++evaluation_.events;
      const auto timestamp = reader.timestamp(i);
      const auto event = timestamp ? by_time_.find(*timestamp) : by_time_.end();
      if (event == by_time_.end()) {
        ++evaluation_.unknown;
        continue;
      }
      EventPeaks& peaks = peaks_[event->second];
      evaluation_.repeated += peaks ? 1 : 0;
      peaks = reader.peaks(i);
      evaluation_.cut += reader.peak_count(i) == static_cast<std::int64_t>(peaks->size()) ? 0 : 1;
    }
  }

  const std::vector<EventPeaks>& peaks() const { return peaks_; }

 private:
  const PeakTruth& truth_;
  Evaluation& evaluation_;
  std::map<std::uint64_t, std::size_t> by_time_;
  std::vector<EventPeaks> peaks_;
};

}  // namespace

Evaluation evaluate_files(const std::string& truth_file, const PeakTruth& truth,
                          std::vector<std::string> files, double radius) {
  const bool any = !files.empty();
  std::erase_if(files, [](const std::string& f) { return f.ends_with(cxi_master_suffix); });
  if (any && files.empty()) {
    throw RunError("a master only refers to the files of its run: give those");
  }
  Evaluation evaluation{.truth = truth_file, .radius = radius, .files = files.size()};
  Collector collector(truth, evaluation);
  for (const std::string& file : files) {
    const MappedFile map(file);
    try {
      collector.add(CxiReader(map.bytes()));
    } catch (const DataError& error) {
      throw RunError(fmt::format("'{}': {}", file, error.what()));
    }
  }
  if (evaluation.events > 0 && evaluation.unknown == evaluation.events) {
    throw RunError(fmt::format("no event of these files has a time stamp of '{}'", truth_file));
  }
  evaluation.score = score_peaks(truth, collector.peaks(), radius);
  if (const auto& worst = evaluation.score.worst) {
    evaluation.worst_timestamp = truth.events[worst->event].timestamp;
  }
  return evaluation;
}

}  // namespace pnflow
