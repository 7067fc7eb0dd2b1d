#include "io/cxi_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "graph/error.h"
#include "io/hdf5_layout.h"

namespace pnflow {
namespace {

constexpr const char* segmap_name = "segmentation_map";
constexpr std::array logit_names = {"logit_map_class0", "logit_map_class1"};

std::string in_results(const char* name) { return fmt::format("{}/{}", cxi_path::results, name); }

// Text of any length: HDF5 keeps variable-length strings apart from the object's header, which
// has 64 KiB in all.
bool set_text_attribute(hid_t object, const char* name, const std::string& text) {
  const h5::Datatype type(H5Tcopy(H5T_C_S1));
  const h5::Dataspace scalar(H5Screate(H5S_SCALAR));
  if (H5Tset_size(type.get(), H5T_VARIABLE) < 0 || H5Tset_cset(type.get(), H5T_CSET_UTF8) < 0) {
    return false;
  }
  const h5::Attribute attribute(
      H5Acreate2(object, name, type.get(), scalar.get(), H5P_DEFAULT, H5P_DEFAULT));
  const char* value = text.c_str();
  return attribute && H5Awrite(attribute.get(), type.get(), &value) >= 0;
}

bool set_integer_attribute(hid_t object, const char* name, int value) {
  const h5::Dataspace scalar(H5Screate(H5S_SCALAR));
  const h5::Attribute attribute(
      H5Acreate2(object, name, H5T_STD_I32LE, scalar.get(), H5P_DEFAULT, H5P_DEFAULT));
  return attribute && H5Awrite(attribute.get(), H5T_NATIVE_INT, &value) >= 0;
}

}  // namespace

CxiFile::CxiFile(AtomicFile file, const CxiFormat& format, const CxiOrigin& origin,
                 std::size_t capacity, std::vector<std::uint8_t> mask)
    : file_(std::move(file)),
      output_(file_),
      links_(H5Pcreate(H5P_LINK_CREATE)),
      format_(format),
      capacity_(capacity),
      mask_(std::move(mask)) {
  const h5::SilentErrors silent;
  output_.check(H5Pset_create_intermediate_group(links_.get(), 1) >= 0, "links");
  output_.check(set_text_attribute(output_.id(), "pnflow_version", PNFLOW_VERSION) &&
                    set_text_attribute(output_.id(), "pnflow_run", origin.run) &&
                    set_text_attribute(output_.id(), "pnflow_config", origin.config),
                "attributes of the root");
  images_ = create_images(cxi_path::data, format_.dtype);
  output_.check(
      set_integer_attribute(images_.get(), "normalized", format_.normalized ? 1 : 0) &&
          set_integer_attribute(images_.get(), "panels", static_cast<int>(format_.panels)),
      "attributes of the images");
  if (format_.segmap) segmap_ = create_images(in_results(segmap_name), DType::u8);
  if (format_.logits) {
    for (std::size_t i = 0; i < logit_names.size(); ++i) {
      logits_[i] = create_images(in_results(logit_names[i]), DType::f32);
    }
  }
  if (!mask_.empty()) write_table(cxi_path::mask, mask_, {format_.rows(), format_.width});
}

h5::Dataset CxiFile::create_images(const std::string& path, DType dtype) {
  const std::array<hsize_t, 3> extents = {capacity_, format_.rows(), format_.width};
  const std::array<hsize_t, 3> chunk = {1, format_.rows(), format_.width};
  const h5::Properties creation(H5Pcreate(H5P_DATASET_CREATE));
  bool set = H5Pset_chunk(creation.get(), chunk.size(), chunk.data()) >= 0 &&
             H5Pset_obj_track_times(creation.get(), false) >= 0;
  if (format_.gzip_level) {
    set = set && (size_of(dtype) == 1 || H5Pset_shuffle(creation.get()) >= 0) &&
          H5Pset_deflate(creation.get(), static_cast<unsigned>(*format_.gzip_level)) >= 0;
  }
  output_.check(set, path);
  const h5::Dataspace space(
      H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr));
  h5::Dataset dataset(H5Dcreate2(output_.id(), path.c_str(), h5_type_of(dtype), space.get(),
                                 links_.get(), creation.get(), H5P_DEFAULT));
  output_.check(static_cast<bool>(dataset), path);
  return dataset;
}

void CxiFile::append(CxiEvent&& event) {
  if (full()) throw DataError("write", file_.partial().string() + ": the file is full");
  const std::array<hsize_t, 3> origin = {events(), 0, 0};
  output_.write_chunk(images_.get(), origin, event.image.bytes());
  if (format_.segmap) output_.write_chunk(segmap_.get(), origin, event.segmap.value().bytes());
  if (format_.logits) {
    for (std::size_t i = 0; i < logit_names.size(); ++i) {
      output_.write_chunk(logits_[i].get(), origin, event.logits.value()[i].bytes());
    }
  }
  file_.keep();
  peaks_.push_back(std::move(event.peaks));
  energies_.push_back(event.photon_energy);
  encoders_.push_back(event.encoder);
  timestamps_.push_back(event.timestamp);
}

template <class T>
void CxiFile::write_table(const std::string& path, const std::vector<T>& values,
                          std::vector<hsize_t> extents, const char* units) {
  const hid_t type = h5_type_of(dtype_of<T>);
  const h5::Dataspace space(
      H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr));
  const h5::Dataset dataset(H5Dcreate2(output_.id(), path.c_str(), type, space.get(), links_.get(),
                                       H5P_DEFAULT, H5P_DEFAULT));
  output_.check(
      dataset && H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0 &&
          (units == nullptr || set_text_attribute(dataset.get(), "units", units)),
      path);
}

template <class Column>
void CxiFile::write_peak_column(const char* name, Column column, const char* units) {
  std::size_t most = 1;
  for (const CxiPeaks& peaks : peaks_) most = std::max(most, peaks.size());
  std::decay_t<decltype(peaks_[0].*column)> matrix(events() * most);
  for (std::size_t event = 0; event < events(); ++event) {
    std::ranges::copy(peaks_[event].*column,
                      matrix.begin() + static_cast<std::ptrdiff_t>(event * most));
  }
  write_table(in_results(name), matrix, {events(), most}, units);
}

void CxiFile::write_peaks() {
  std::vector<std::int32_t> counts;
  for (const CxiPeaks& peaks : peaks_) counts.push_back(static_cast<std::int32_t>(peaks.size()));
  write_table(in_results("nPeaks"), counts, {events()});
  write_peak_column("peakXPosRaw", &CxiPeaks::x);
  write_peak_column("peakYPosRaw", &CxiPeaks::y);
  write_peak_column("peakTotalIntensity", &CxiPeaks::total);
  write_peak_column("peakMaximumValue", &CxiPeaks::maximum);
  write_peak_column("peakSNR", &CxiPeaks::snr);
  write_peak_column("peakNPixels", &CxiPeaks::npix);
  write_peak_column("peakSegPosRaw", &CxiPeaks::panel);
  if (!format_.laboratory) return;
  write_peak_column("peakXLab", &CxiPeaks::lab_x, "m");
  write_peak_column("peakYLab", &CxiPeaks::lab_y, "m");
  write_peak_column("peakZLab", &CxiPeaks::lab_z, "m");
  write_peak_column("peakResolution", &CxiPeaks::resolution, "1/nm");
}

void CxiFile::commit() {
  {
    const h5::SilentErrors silent;
    write_peaks();
    write_table(cxi_path::photon_energy, energies_, {events()});
    write_table(cxi_path::timestamp, timestamps_, {events()});
    write_table(cxi_path::encoder, encoders_, {events()});
    const std::array<hsize_t, 3> extents = {events(), format_.rows(), format_.width};
    for (h5::Dataset* images : {&images_, &segmap_, &logits_[0], &logits_[1]}) {
      if (!*images) continue;
      const bool closed = H5Dset_extent(images->get(), extents.data()) >= 0 && images->reset();
      output_.check(closed, "images");
    }
  }
  output_.close();
  file_.commit();
}

}  // namespace pnflow
