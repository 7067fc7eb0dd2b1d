#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "io/atomic_file.h"
#include "io/cxi_datasets.h"
#include "io/cxi_event.h"
#include "io/h5_output.h"

namespace pnflow {

// What a file says of its origin, as attributes of its root: `pnflow_version` beside these.
struct CxiOrigin {
  std::string run;
  std::string config;  // as it ran, JSON
};
// Sets them. Throws DataError("write").
void write_origin(const h5::Output& output, const CxiOrigin& origin);

// What is in one complete file.
struct CxiPart {
  std::filesystem::path path;
  CxiFormat format;
  std::size_t events = 0;
  std::size_t most_peaks = 1;                             // columns of the peak lists
  bool ids = false;                                       // whether there are ids
  std::shared_ptr<const std::vector<std::uint8_t>> mask;  // rows x width, 0 is good; null: none
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
  CxiPart commit();

 private:
  h5::Dataset create_images(const std::string& path, DType dtype);
  void write_numbers();
  void write_peaks();
  template <class T>
  void write_table(const std::string& path, const std::vector<T>& values,
                   std::vector<hsize_t> extents, const char* units = nullptr);
  template <class Column>
  void write_peak_column(const char* name, Column column, const char* units = nullptr);
  std::size_t most_peaks() const;
  bool has_ids() const;

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
  std::vector<std::int64_t> ids_;
};

}  // namespace pnflow
