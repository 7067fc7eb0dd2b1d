#include "io/peak_truth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

#include "graph/error.h"
#include "graph/mapped_file.h"
#include "io/hdf5_message.h"

namespace pnflow {
namespace {

constexpr const char* images_path = "/data/data";
constexpr const char* stamps_path = "/data/timestamp";
constexpr const char* crystal_path = "/truth/is_hit";
constexpr const char* event_path = "/truth/reflections/frame";
constexpr const char* panel_path = "/truth/reflections/panel";

template <class T>
std::vector<T> elements(const Hdf5Dataset& dataset) {
  std::vector<T> values(elements_of(dataset.info().shape));
  dataset.read_all(std::as_writable_bytes(std::span(values)));
  return values;
}

class TruthFile {
 public:
  explicit TruthFile(const std::string& path) : map_(path), message_(map_.bytes()) {}

  Hdf5Dataset dataset(const std::string& path) const {
    auto found = message_.find(std::span(&path, 1));
    if (found) return *std::move(found);
    throw DataError("no truth", fmt::format("there is no dataset {}", path));
  }

  // A dataset of one axis, with `count` entries where that is given.
  Hdf5Dataset column(const std::string& path, std::optional<std::size_t> count) const {
    Hdf5Dataset found = dataset(path);
    const Shape& shape = found.info().shape;
    if (shape.size() == 1 && shape[0] == count.value_or(shape[0])) return found;
    throw DataError("wrong shape",
                    fmt::format("{} is {}, expected {}", path, to_string(shape),
                                count ? to_string(Shape{*count}) : std::string("one axis")));
  }

  std::vector<double> numbers(const std::string& path, std::optional<std::size_t> count) const {
    const Hdf5Dataset found = column(path, count);
    return dispatch(found.info().dtype, [&](auto zero) {
      const auto values = elements<decltype(zero)>(found);
      return std::vector<double>(values.begin(), values.end());
    });
  }

  std::vector<std::size_t> indices(const std::string& path, std::size_t count,
                                   std::size_t end) const {
    std::vector<std::size_t> found;
    for (const double value : numbers(path, count)) {
      if (!(value >= 0 && value < static_cast<double>(end)) || value != std::trunc(value)) {
        throw DataError("wrong index", fmt::format("{} has {} in row {}, expected 0 to {}", path,
                                                   value, found.size(), end - 1));
      }
      found.push_back(static_cast<std::size_t>(value));
    }
    return found;
  }

  std::vector<std::uint64_t> timestamps(std::size_t count) const {
    const Hdf5Dataset found = column(stamps_path, count);
    const DType dtype = found.info().dtype;
    if (dtype != DType::u64 && dtype != DType::i64) {
      throw DataError("wrong dtype",
                      fmt::format("{} is {}, expected uint64", stamps_path, name_of(dtype)));
    }
    auto stamps = elements<std::uint64_t>(found);
    auto sorted = stamps;
    std::ranges::sort(sorted);
    const auto twice = std::ranges::adjacent_find(sorted);
    if (twice == sorted.end()) return stamps;
    throw DataError(
        "repeated time stamp",
        fmt::format("{} has {} twice, and events are known by it", stamps_path, *twice));
  }

 private:
  MappedFile map_;
  Hdf5Message message_;
};

PeakTruth read(const TruthFile& file) {
  const Shape images = file.dataset(images_path).info().shape;
  if (images.size() != 3 && images.size() != 4) {
    throw DataError("wrong shape", fmt::format("{} is {}, expected events of panels", images_path,
                                               to_string(images)));
  }
  const std::size_t count = images[0];
  const auto stamps = file.timestamps(count);
  const auto crystals = file.numbers(crystal_path, count);
  PeakTruth truth{.panels = images.size() == 4 ? images[1] : 1,
                  .height = images[images.size() - 2],
                  .width = images.back(),
                  .events = std::vector<TrueEvent>(count)};
  for (std::size_t i = 0; i < count; ++i) {
    truth.events[i].timestamp = stamps[i];
    truth.events[i].has_crystal = crystals[i] != 0;
  }

  const std::size_t rows = file.column(event_path, {}).events();
  const auto events = file.indices(event_path, rows, count);
  const auto panels = file.indices(panel_path, rows, truth.panels);
  const auto column = [&](const char* name) {
    return file.numbers(fmt::format("/truth/reflections/{}", name), rows);
  };
  const auto fs = column("fs"), ss = column("ss"), snr = column("snr");
  const auto kind = column("kind"), visible = column("visible");
  for (std::size_t i = 0; i < rows; ++i) {
    truth.events[events[i]].spots.push_back({.panel = panels[i],
                                             .fs = fs[i],
                                             .ss = ss[i],
                                             .snr = snr[i],
                                             .wanted = kind[i] == 0 && visible[i] == 1});
  }
  return truth;
}

}  // namespace

PeakTruth read_peak_truth(const std::string& path) {
  try {
    return read(TruthFile(path));
  } catch (const DataError& error) {
    throw RunError(fmt::format("'{}': {}", path, error.what()));
  }
}

}  // namespace pnflow
