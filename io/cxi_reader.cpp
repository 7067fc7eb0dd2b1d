#include "io/cxi_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "graph/error.h"
#include "io/cxi_file.h"
#include "io/timestamps.h"

namespace pnflow {
namespace {

// Entry `index` of a dataset; nothing when it cannot be read. T is the dataset's type.
template <class T>
std::optional<std::vector<T>> entry_of(const Hdf5Dataset& dataset, std::size_t index) {
  std::vector<T> values(elements_of(dataset.event_shape()));
  try {
    dataset.read_event(index, std::as_writable_bytes(std::span(values)));
  } catch (const DataError&) {
    return {};
  }
  return values;
}

}  // namespace

std::string cxi_result(std::string_view name) {
  return fmt::format("{}/{}", cxi_path::results, name);
}

bool CxiReader::is_cxi(std::span<const std::string> paths) {
  return std::ranges::find(paths, cxi_result("nPeaks")) != paths.end();
}

CxiReader::CxiReader(std::span<const std::byte> bytes, const std::filesystem::path& file)
    : message_(bytes, file) {
  const std::vector<std::string> paths = message_.paths();
  if (!is_cxi(paths)) throw DataError("not CXI", "there is no " + cxi_result("nPeaks"));
  for (const std::string& path : paths) {
    try {
      if (auto found = message_.find(std::span(&path, 1))) {
        datasets_.emplace(path, *std::move(found));
      }
    } catch (const DataError&) {
      continue;
    }
  }
}

const Hdf5Dataset* CxiReader::dataset(const std::string& path) const {
  const auto found = datasets_.find(path);
  return found == datasets_.end() ? nullptr : &found->second;
}

const DatasetInfo* CxiReader::info(const std::string& path) const {
  const Hdf5Dataset* found = dataset(path);
  return found == nullptr ? nullptr : &found->info();
}

std::optional<std::vector<double>> CxiReader::numbers(const std::string& path,
                                                      std::size_t index) const {
  const Hdf5Dataset* found = dataset(path);
  if (found == nullptr || index >= found->events()) return {};
  return dispatch(found->info().dtype, [&](auto zero) -> std::optional<std::vector<double>> {
    const auto values = entry_of<decltype(zero)>(*found, index);
    if (!values) return {};
    return std::vector<double>(values->begin(), values->end());
  });
}

// Not by numbers(): a double has no room for the nanoseconds.
std::optional<std::uint64_t> CxiReader::timestamp(std::size_t event) const {
  const Hdf5Dataset* found = dataset(cxi_path::timestamp);
  if (found == nullptr || event >= found->events()) return {};
  return dispatch(found->info().dtype, [&](auto zero) -> std::optional<std::uint64_t> {
    const auto values = entry_of<decltype(zero)>(*found, event);
    if (!values || values->size() != 1) return {};
    if constexpr (std::is_floating_point_v<decltype(zero)>) {
      return packed_from(static_cast<double>(values->front()));
    } else {
      return static_cast<std::uint64_t>(values->front());
    }
  });
}

std::size_t CxiReader::events() const {
  const Hdf5Dataset* counts = dataset(cxi_result("nPeaks"));
  return counts == nullptr ? 0 : counts->events();
}

std::optional<std::int64_t> CxiReader::peak_count(std::size_t event) const {
  const auto values = numbers(cxi_result("nPeaks"), event);
  if (!values || values->empty() || !(std::abs(values->front()) < 0x1p63)) return {};
  return static_cast<std::int64_t>(values->front());
}

std::vector<StoredPeak> CxiReader::peaks(std::size_t event) const {
  const auto x = numbers(cxi_result("peakXPosRaw"), event);
  const auto y = numbers(cxi_result("peakYPosRaw"), event);
  const auto count =
      static_cast<std::size_t>(std::max<std::int64_t>(0, peak_count(event).value_or(0)));
  std::vector<StoredPeak> peaks;
  if (!x || !y) return peaks;
  peaks.resize(std::min({count, x->size(), y->size()}));
  const auto copy = [&](const std::optional<std::vector<double>>& column,
                        double StoredPeak::*member) {
    if (!column) return;
    for (std::size_t i = 0; i < std::min(peaks.size(), column->size()); ++i) {
      peaks[i].*member = (*column)[i];
    }
  };
  copy(x, &StoredPeak::x);
  copy(y, &StoredPeak::y);
  copy(numbers(cxi_result("peakTotalIntensity"), event), &StoredPeak::total);
  copy(numbers(cxi_result("peakMaximumValue"), event), &StoredPeak::maximum);
  copy(numbers(cxi_result("peakSNR"), event), &StoredPeak::snr);
  copy(numbers(cxi_result("peakNPixels"), event), &StoredPeak::npix);
  copy(numbers(cxi_result("peakSegPosRaw"), event), &StoredPeak::panel);
  return peaks;
}

std::optional<std::int64_t> CxiReader::image_attribute(std::string_view name) const {
  try {
    for (const Hdf5Attribute& attribute : message_.attributes(cxi_path::data)) {
      const auto* number = std::get_if<std::int64_t>(&attribute.value);
      if (attribute.name == name && number != nullptr) return *number;
    }
  } catch (const DataError&) {
    return {};
  }
  return {};
}

std::optional<bool> CxiReader::normalized() const {
  const auto flag = image_attribute("normalized");
  return flag ? std::optional(*flag != 0) : std::nullopt;
}

std::optional<std::size_t> CxiReader::panels() const {
  const auto panels = image_attribute("panels");
  return panels && *panels > 0 ? std::optional(static_cast<std::size_t>(*panels)) : std::nullopt;
}

std::optional<Array> CxiReader::mask(std::size_t event) const {
  const Hdf5Dataset* mask = dataset(cxi_path::mask);
  if (mask == nullptr || !is_integer(mask->info().dtype)) return {};
  const Shape& shape = mask->info().shape;
  if (shape.size() != 2 && shape.size() != 3) return {};
  MutableArray bad(*heap_pool(), DType::u8, {shape[shape.size() - 2], shape.back()});
  const auto to = bad.as<std::uint8_t>();
  // Of a mask for all events, the entries are its rows.
  const std::size_t first = shape.size() == 2 ? 0 : event;
  const std::size_t entries = shape.size() == 2 ? shape[0] : 1;
  for (std::size_t i = 0; i < entries; ++i) {
    const auto values = numbers(cxi_path::mask, first + i);
    if (!values) return {};
    std::ranges::transform(*values, to.begin() + static_cast<std::ptrdiff_t>(i * values->size()),
                           [](double value) { return static_cast<std::uint8_t>(value != 0); });
  }
  return std::move(bad).freeze();
}

}  // namespace pnflow
