#include "io/crystfel_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "io/cxi_file.h"

namespace pnflow {
namespace {

std::string described(const DatasetInfo& info) {
  return fmt::format("{} is {} {}", info.path,
                     info.shape.empty() ? "a single" : to_string(info.shape), name_of(info.dtype));
}

// Counts what is wrong with the events, and makes one line of it.
struct Tally {
  std::size_t count = 0, first = 0;
  void add(std::size_t event, std::size_t times = 1) {
    if (count == 0) first = event;
    count += times;
  }
};

class Checker {
 public:
  explicit Checker(const CxiReader& file) : file_(file), events_(file.events()) {}

  CrystfelCheck check() {
    check_images();
    check_columns();
    check_peaks();
    for (const char* path : {cxi_path::photon_energy, cxi_path::timestamp, cxi_path::encoder}) {
      check_header(path);
    }
    check_timestamps();
    check_energies();
    check_mask();
    return std::move(result_);
  }

 private:
  template <class... Args>
  void fault(fmt::format_string<Args...> text, Args&&... args) {
    result_.faults.push_back(fmt::format(text, std::forward<Args>(args)...));
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> text, Args&&... args) {
    result_.warnings.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  void check_images() {
    const DatasetInfo* images = file_.info(cxi_path::data);
    if (images == nullptr) {
      fault("there is no {}", cxi_path::data);
      return;
    }
    const Shape& shape = images->shape;
    if (shape.size() != 3) {
      fault("{}, not (events, rows, columns): every peak is lost", described(*images));
      return;
    }
    if (shape[0] != events_) fault("{}, for {} events in nPeaks", described(*images), events_);
    if (!images->chunk.empty() && images->chunk[0] != 1) {
      fault("{} has {} events in a chunk: each is read as often as there are events in it",
            images->path, images->chunk[0]);
    }
    std::vector<std::string> plugins;
    for (const Filter& filter : images->filters) {
      if (filter.id > filter_id::fletcher32) plugins.push_back(describe(filter));
    }
    if (!plugins.empty()) {
      warning("{} can only be read where HDF5 has the plugin for {}", images->path,
              fmt::join(plugins, ", "));
    }
    height_ = shape[1];
    width_ = shape[2];
  }

  void check_columns() {
    const DatasetInfo* counts = file_.info(cxi_result("nPeaks"));
    if (counts != nullptr && (counts->shape.size() != 1 || !is_integer(counts->dtype))) {
      fault("{}, not one integer for each event", described(*counts));
    }
    for (const char* name : {"peakXPosRaw", "peakYPosRaw", "peakTotalIntensity"}) {
      const DatasetInfo* column = file_.info(cxi_result(name));
      if (column == nullptr) {
        fault("there is no {}: every peak is lost", cxi_result(name));
      } else if (column->shape.size() != 2 || column->dtype != DType::f32) {
        fault("{}, not (events, peaks) float32: every peak is lost", described(*column));
      } else if (column->shape[0] != events_) {
        fault("{}, for {} events in nPeaks", described(*column), events_);
      } else {
        room_ = std::min(room_.value_or(column->shape[1]), column->shape[1]);
      }
    }
  }

  void check_peaks() {
    Tally impossible, not_finite, outside;
    for (std::size_t event = 0; event < events_; ++event) {
      const auto count = file_.peak_count(event).value_or(0);
      if (count < 0 || (room_ && static_cast<std::size_t>(count) > *room_)) impossible.add(event);
      for (const StoredPeak& peak : file_.peaks(event)) {
        if (!std::isfinite(peak.x) || !std::isfinite(peak.y)) {
          not_finite.add(event);
        } else if (height_ != 0 && !on_image(peak)) {
          outside.add(event);
        }
      }
    }
    if (impossible.count > 0) {
      fault(
          "nPeaks of {} events, the first of them event {}, is negative or more than the {} that "
          "the tables hold: all peaks of these events are lost",
          impossible.count, impossible.first, room_.value_or(0));
    }
    if (not_finite.count > 0) {
      fault("{} peaks, the first in event {}, have a position that is not finite: they are lost",
            not_finite.count, not_finite.first);
    }
    if (outside.count > 0) {
      fault("{} peaks, the first in event {}, are outside of the {}x{} image: they are lost",
            outside.count, outside.first, height_, width_);
    }
  }

  // A pixel reaches half a pixel to all sides of its centre.
  bool on_image(const StoredPeak& peak) const {
    return peak.x >= -0.5 && peak.x <= static_cast<double>(width_) - 0.5 && peak.y >= -0.5 &&
           peak.y <= static_cast<double>(height_) - 0.5;
  }

  void check_header(const char* path) {
    const DatasetInfo* header = file_.info(path);
    if (header == nullptr || header->shape == Shape{events_}) return;
    fault("{}, not one number for each of {} events", described(*header), events_);
  }

  void check_timestamps() {
    const DatasetInfo* stamps = file_.info(cxi_path::timestamp);
    if (stamps == nullptr || stamps->dtype != DType::u64) return;
    Tally beyond;
    for (std::size_t event = 0; event < events_; ++event) {
      const auto stamp = file_.numbers(cxi_path::timestamp, event);
      if (stamp && !stamp->empty() && stamp->front() >= 0x1p63) beyond.add(event);
    }
    if (beyond.count == 0) return;
    fault("{} time stamps, the first of event {}, are 2^63 or more: CrystFEL cannot read them",
          beyond.count, beyond.first);
  }

  void check_energies() {
    if (file_.info(cxi_path::photon_energy) == nullptr) {
      warning("there is no {}: the geometry must say the photon energy", cxi_path::photon_energy);
      return;
    }
    Tally unknown;
    for (std::size_t event = 0; event < events_; ++event) {
      const auto energy = file_.numbers(cxi_path::photon_energy, event);
      if (!energy || energy->empty() || !(energy->front() > 0)) unknown.add(event);
    }
    if (unknown.count == 0) return;
    warning(
        "the photon energy of {} events, the first of them event {}, is not known: CrystFEL "
        "takes 0 and NaN without a word",
        unknown.count, unknown.first);
  }

  void check_mask() {
    const DatasetInfo* mask = file_.info(cxi_path::mask);
    if (mask == nullptr || height_ == 0) return;
    const bool fits =
        mask->shape == Shape{height_, width_} || mask->shape == Shape{events_, height_, width_};
    if (fits && is_integer(mask->dtype)) return;
    fault("{}, not integers of {}x{} or {}x{}x{}", described(*mask), height_, width_, events_,
          height_, width_);
  }

  const CxiReader& file_;
  std::size_t events_;
  std::size_t height_ = 0, width_ = 0;  // 0: the images cannot be used
  std::optional<std::size_t> room_;     // peaks of an event that the columns hold
  CrystfelCheck result_;
};

}  // namespace

CrystfelCheck check_for_crystfel(const CxiReader& file) { return Checker(file).check(); }

}  // namespace pnflow
