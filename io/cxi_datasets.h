#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/dtype.h"
#include "io/cxi_event.h"

namespace pnflow {

// Where things lie in a CXI file; CrystFEL's geometry names the same paths.
namespace cxi_path {
inline constexpr const char* data = "/entry_1/data_1/data";
inline constexpr const char* mask = "/entry_1/data_1/mask";
inline constexpr const char* results = "/entry_1/result_1";
inline constexpr const char* photon_energy = "/LCLS/photon_energy_eV";
inline constexpr const char* timestamp = "/LCLS/detector_1/timestamp";
inline constexpr const char* encoder = "/LCLS/detector_1/EncoderValue";
inline constexpr const char* event_id = "/LCLS/event_id";
inline constexpr const char* segmap = "/entry_1/result_1/segmentation_map";
inline constexpr const char* logits[] = {"/entry_1/result_1/logit_map_class0",
                                         "/entry_1/result_1/logit_map_class1"};
}  // namespace cxi_path

// How the name of a master (io/cxi_master.h) ends.
inline constexpr std::string_view cxi_master_suffix = "_master.cxi";

// One dataset with an entry for each event: an image (rows, columns), a number, or a column of the
// peak list, of as many entries as the most peaks of an event.
struct CxiDataset {
  enum class Entry { image, number, peaks };
  std::string path;
  DType dtype = DType::u8;
  Entry entry = Entry::number;
  const char* units = nullptr;  // an attribute, where it is not plain
};

// A column of the peak list.
struct CxiPeakColumn {
  const char* name;
  std::variant<std::vector<float> CxiPeaks::*, std::vector<std::int32_t> CxiPeaks::*,
               std::vector<double> CxiPeaks::*>
      values;
  const char* units = nullptr;
};

// Those that files of this format have, in the order in which they stand there.
std::span<const CxiPeakColumn> cxi_peak_columns(const CxiFormat& format);

// All of a file's but the mask, which may be one for all events. `ids`: some event has one.
std::vector<CxiDataset> cxi_datasets(const CxiFormat& format, bool ids);

inline constexpr std::int64_t no_event_id = -1;

}  // namespace pnflow
