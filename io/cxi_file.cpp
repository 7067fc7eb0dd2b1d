#include "io/cxi_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "graph/error.h"
#include "io/h5_write.h"
#include "io/hdf5_layout.h"

namespace pnflow {
namespace {

std::string in_results(const char* name) { return fmt::format("{}/{}", cxi_path::results, name); }

}  // namespace

void write_origin(const h5::Output& output, const CxiOrigin& origin) {
  output.check(h5::set_attribute(output.id(), "pnflow_version", PNFLOW_VERSION) &&
                   h5::set_attribute(output.id(), "pnflow_run", origin.run) &&
                   h5::set_attribute(output.id(), "pnflow_config", origin.config),
               "attributes of the root");
}

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
  write_origin(output_, origin);
  images_ = create_images(cxi_path::data, format_.dtype);
  output_.check(h5::set_attribute(images_.get(), "normalized", format_.normalized ? 1 : 0) &&
                    h5::set_attribute(images_.get(), "panels", static_cast<int>(format_.panels)),
                "attributes of the images");
  if (format_.segmap) segmap_ = create_images(cxi_path::segmap, DType::u8);
  if (format_.logits) {
    for (std::size_t i = 0; i < std::size(logits_); ++i) {
      logits_[i] = create_images(cxi_path::logits[i], DType::f32);
    }
  }
  if (!mask_.empty()) write_table(cxi_path::mask, mask_, {format_.rows(), format_.width});
}

h5::Dataset CxiFile::create_images(const std::string& path, DType dtype) {
  const std::array<hsize_t, 3> extents = {capacity_, format_.rows(), format_.width};
  const std::array<hsize_t, 3> chunk = {1, format_.rows(), format_.width};
  const h5::Properties creation(H5Pcreate(H5P_DATASET_CREATE));
  const bool set = H5Pset_chunk(creation.get(), chunk.size(), chunk.data()) >= 0 &&
                   H5Pset_obj_track_times(creation.get(), false) >= 0 &&
                   h5::set_filters(creation.get(), filters_of(format_.compression, dtype));
  output_.check(set, path);
  const h5::Dataspace space = h5::simple_space(extents);
  h5::Dataset dataset(H5Dcreate2(output_.id(), path.c_str(), h5_type_of(dtype), space.get(),
                                 links_.get(), creation.get(), H5P_DEFAULT));
  output_.check(static_cast<bool>(dataset), path);
  return dataset;
}

void CxiFile::append(CxiEvent&& event) {
  if (full()) throw DataError("write", file_.partial().string() + ": the file is full");
  const std::array<hsize_t, 3> origin = {events(), 0, 0};
  output_.write_chunk(images_.get(), origin, event.image.raw());
  if (format_.segmap) output_.write_chunk(segmap_.get(), origin, event.segmap.value().raw());
  if (format_.logits) {
    for (std::size_t i = 0; i < std::size(logits_); ++i) {
      output_.write_chunk(logits_[i].get(), origin, event.logits.value()[i].raw());
    }
  }
  file_.keep();
  peaks_.push_back(std::move(event.peaks));
  energies_.push_back(event.photon_energy);
  encoders_.push_back(event.encoder);
  ids_.push_back(event.id.value_or(no_event_id));
  timestamps_.push_back(event.timestamp);
}

template <class T>
void CxiFile::write_table(const std::string& path, const std::vector<T>& values,
                          std::vector<hsize_t> extents, const char* units) {
  const hid_t type = h5_type_of(dtype_of<T>);
  const h5::Dataspace space = h5::simple_space(extents);
  const h5::Dataset dataset(H5Dcreate2(output_.id(), path.c_str(), type, space.get(), links_.get(),
                                       H5P_DEFAULT, H5P_DEFAULT));
  output_.check(
      dataset && H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0 &&
          (units == nullptr || h5::set_attribute(dataset.get(), "units", std::string(units))),
      path);
}

template <class Column>
void CxiFile::write_peak_column(const char* name, Column column, const char* units) {
  const std::size_t most = most_peaks();
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
  for (const auto& [name, values, units] : cxi_peak_columns(format_)) {
    std::visit([&](auto column) { write_peak_column(name, column, units); }, values);
  }
}

void CxiFile::write_numbers() {
  write_table(cxi_path::photon_energy, energies_, {events()});
  write_table(cxi_path::timestamp, timestamps_, {events()});
  write_table(cxi_path::encoder, encoders_, {events()});
  if (has_ids()) write_table(cxi_path::event_id, ids_, {events()});
}

std::size_t CxiFile::most_peaks() const {
  std::size_t most = 1;
  for (const CxiPeaks& peaks : peaks_) most = std::max(most, peaks.size());
  return most;
}

bool CxiFile::has_ids() const {
  return std::ranges::any_of(ids_, [](std::int64_t id) { return id != no_event_id; });
}

CxiPart CxiFile::commit() {
  {
    const h5::SilentErrors silent;
    write_peaks();
    write_numbers();
    const std::array<hsize_t, 3> extents = {events(), format_.rows(), format_.width};
    for (h5::Dataset* images : {&images_, &segmap_, &logits_[0], &logits_[1]}) {
      if (!*images) continue;
      const bool closed = H5Dset_extent(images->get(), extents.data()) >= 0 && images->reset();
      output_.check(closed, "images");
    }
  }
  output_.close();
  file_.commit();
  return {
      .path = path(),
      .format = format_,
      .events = events(),
      .most_peaks = most_peaks(),
      .ids = has_ids(),
      .mask = mask_.empty() ? nullptr : std::make_shared<const std::vector<std::uint8_t>>(mask_)};
}

}  // namespace pnflow
