#include "io/cxi_datasets.h"

#include <fmt/format.h>

#include <array>

namespace pnflow {
namespace {

constexpr std::array columns = {CxiPeakColumn{"peakXPosRaw", &CxiPeaks::x},
                                CxiPeakColumn{"peakYPosRaw", &CxiPeaks::y},
                                CxiPeakColumn{"peakTotalIntensity", &CxiPeaks::total},
                                CxiPeakColumn{"peakMaximumValue", &CxiPeaks::maximum},
                                CxiPeakColumn{"peakSNR", &CxiPeaks::snr},
                                CxiPeakColumn{"peakNPixels", &CxiPeaks::npix},
                                CxiPeakColumn{"peakSegPosRaw", &CxiPeaks::panel},
                                CxiPeakColumn{"peakXLab", &CxiPeaks::lab_x, "m"},
                                CxiPeakColumn{"peakYLab", &CxiPeaks::lab_y, "m"},
                                CxiPeakColumn{"peakZLab", &CxiPeaks::lab_z, "m"},
                                CxiPeakColumn{"peakResolution", &CxiPeaks::resolution, "1/nm"}};
constexpr std::size_t laboratory_columns = 4;  // the last ones

template <class T>
constexpr DType dtype_in(std::vector<T> CxiPeaks::*) {
  return dtype_of<T>;
}

}  // namespace

std::span<const CxiPeakColumn> cxi_peak_columns(const CxiFormat& format) {
  return std::span(columns).first(columns.size() - (format.laboratory ? 0 : laboratory_columns));
}

std::vector<CxiDataset> cxi_datasets(const CxiFormat& format, bool ids) {
  using Entry = CxiDataset::Entry;
  std::vector<CxiDataset> datasets = {
      {cxi_path::data, format.dtype, Entry::image},
      {cxi_path::photon_energy, DType::f64, Entry::number},
      {cxi_path::timestamp, DType::u64, Entry::number},
      {cxi_path::encoder, DType::f32, Entry::number},
      {fmt::format("{}/nPeaks", cxi_path::results), DType::i32, Entry::number}};
  if (ids) datasets.push_back({cxi_path::event_id, DType::i64, Entry::number});
  for (const auto& [name, values, units] : cxi_peak_columns(format)) {
    const DType dtype = std::visit([](auto member) { return dtype_in(member); }, values);
    datasets.push_back({fmt::format("{}/{}", cxi_path::results, name), dtype, Entry::peaks, units});
  }
  if (format.segmap) datasets.push_back({cxi_path::segmap, DType::u8, Entry::image});
  if (format.logits) {
    for (const char* path : cxi_path::logits) datasets.push_back({path, DType::f32, Entry::image});
  }
  return datasets;
}

}  // namespace pnflow
