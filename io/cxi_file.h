#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/atomic_file.h"
#include "io/cxi_event.h"
#include "io/h5_output.h"

namespace pnflow {

// Where things lie in a CXI file; CrystFEL's geometry names the same paths.
namespace cxi_path {
inline constexpr const char* data = "/entry_1/data_1/data";
inline constexpr const char* mask = "/entry_1/data_1/mask";
inline constexpr const char* results = "/entry_1/result_1";
inline constexpr const char* photon_energy = "/LCLS/photon_energy_eV";
inline constexpr const char* timestamp = "/LCLS/detector_1/timestamp";
inline constexpr const char* encoder = "/LCLS/detector_1/EncoderValue";
}  // namespace cxi_path

// What a file says of its origin, as attributes of its root.
struct CxiOrigin {
  std::string run;
  std::string config;  // as it ran, JSON
};

// One CXI file that is being written, in the layout that CrystFEL's `peak_list_type = cxi` reads:
// panels stacked vertically, (events, panels * height, width), one event per chunk; peak lists
// (events, most peaks of an event, at least 1), unused entries 0. Images go to the file as they
// come, everything small is kept until commit(). With CxiFormat::laboratory there are also, float64
// with an attribute `units`, peakXLab, peakYLab, peakZLab [m] and peakResolution [1/nm], of the
// positions as stored; NaN where unknown. The images carry the attributes `normalized` (0 or
// 1) and `panels`.
// For one thread at a time. Every error is DataError("write") with path and cause; after one, only
// destruction makes sense, and the file stays as NAME.partial if there are events in it.
class CxiFile {
 public:
  // At most `capacity` events. `mask` is rows x width bytes, 0 for a good pixel, or empty.
  CxiFile(AtomicFile file, const CxiFormat& format, const CxiOrigin& origin, std::size_t capacity,
          std::vector<std::uint8_t> mask);

  const CxiFormat& format() const { return format_; }
  const std::vector<std::uint8_t>& mask() const { return mask_; }
  const std::filesystem::path& path() const { return file_.path(); }
  std::size_t events() const { return timestamps_.size(); }
  bool full() const { return events() == capacity_; }

  // Writes the images, keeps the rest; nothing of `event` is referred to afterwards.
  void append(CxiEvent&& event);

  // Completes and closes the file, makes it durable and gives it its name.
  void commit();

 private:
  h5::Dataset create_images(const std::string& path, DType dtype);
  void write_peaks();
  template <class T>
  void write_table(const std::string& path, const std::vector<T>& values,
                   std::vector<hsize_t> extents, const char* units = nullptr);
  template <class Column>
  void write_peak_column(const char* name, Column column, const char* units = nullptr);

  AtomicFile file_;
  h5::Output output_;
  h5::Properties links_;
  CxiFormat format_;
  std::size_t capacity_;
  std::vector<std::uint8_t> mask_;
  h5::Dataset images_, segmap_, logits_[2];
  std::vector<CxiPeaks> peaks_;
  std::vector<std::uint64_t> timestamps_;
  std::vector<double> energies_;
  std::vector<float> encoders_;
};

}  // namespace pnflow
