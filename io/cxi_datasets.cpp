#include "io/cxi_datasets.h"

#include <fmt/format.h>

namespace pnflow {

std::vector<CxiDataset> cxi_datasets(const CxiFormat& format, bool ids) {
  using Entry = CxiDataset::Entry;
  std::vector<CxiDataset> datasets = {
      {cxi_path::data, format.dtype, Entry::image},
      {cxi_path::photon_energy, DType::f64, Entry::number},
      {cxi_path::timestamp, DType::u64, Entry::number},
      {cxi_path::encoder, DType::f32, Entry::number},
      {fmt::format("{}/nPeaks", cxi_path::results), DType::i32, Entry::number}};
  if (ids) datasets.push_back({cxi_path::event_id, DType::i64, Entry::number});
  const auto add_column = [&](const char* name, DType dtype, const char* units = nullptr) {
    datasets.push_back({fmt::format("{}/{}", cxi_path::results, name), dtype, Entry::peaks, units});
  };
  for (const char* name :
       {"peakXPosRaw", "peakYPosRaw", "peakTotalIntensity", "peakMaximumValue", "peakSNR"}) {
    add_column(name, DType::f32);
  }
  for (const char* name : {"peakNPixels", "peakSegPosRaw"}) add_column(name, DType::i32);
  if (format.laboratory) {
    for (const char* name : {"peakXLab", "peakYLab", "peakZLab"}) add_column(name, DType::f64, "m");
    add_column("peakResolution", DType::f64, "1/nm");
  }
  if (format.segmap) datasets.push_back({cxi_path::segmap, DType::u8, Entry::image});
  if (format.logits) {
    for (const char* path : cxi_path::logits) datasets.push_back({path, DType::f32, Entry::image});
  }
  return datasets;
}

}  // namespace pnflow
