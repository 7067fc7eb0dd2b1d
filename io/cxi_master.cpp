#include "io/cxi_master.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <utility>

#include "graph/error.h"
#include "io/h5_write.h"
#include "io/hdf5_layout.h"

namespace pnflow {
namespace {

using Entry = CxiDataset::Entry;

// A type that holds the values of both: as NumPy promotes those that images have.
DType common_type(DType a, DType b) {
  if (a == b) return a;
  const auto fits_float = [](DType t) { return size_of(t) <= 2 || t == DType::f32; };
  return fits_float(a) && fits_float(b) ? DType::f32 : DType::f64;
}

// HDF5 takes %b in the name of a source for a number.
std::string source_name(const std::filesystem::path& path) {
  std::string name;
  for (const char c : path.filename().string()) name.append(c == '%' ? 2 : 1, c);
  return name;
}

std::vector<hsize_t> extents_of(const CxiDataset& dataset, const CxiFormat& format,
                                std::size_t events, std::size_t most_peaks) {
  switch (dataset.entry) {
    case Entry::image: return {events, format.rows(), format.width};
    case Entry::peaks: return {events, most_peaks};
    case Entry::number: break;
  }
  return {events};
}

bool has(const CxiPart& part, const std::string& path) {
  return std::ranges::any_of(cxi_datasets(part.format, part.ids),
                             [&](const CxiDataset& found) { return found.path == path; });
}

}  // namespace

CxiMaster::CxiMaster(std::filesystem::path path, CxiOrigin origin)
    : path_(std::move(path)), origin_(std::move(origin)) {}

void CxiMaster::add(CxiPart part) {
  const auto alike = std::ranges::find_if(parts_, [&](const CxiPart& known) {
    return known.mask && part.mask && *known.mask == *part.mask;
  });
  if (alike != parts_.end()) part.mask = alike->mask;
  const auto place = std::ranges::upper_bound(parts_, part.path, {}, &CxiPart::path);
  parts_.insert(place, std::move(part));
  outdated_ = true;
}

std::size_t CxiMaster::events() const {
  return std::accumulate(parts_.begin(), parts_.end(), std::size_t{0},
                         [](std::size_t sum, const CxiPart& part) { return sum + part.events; });
}

void CxiMaster::write() {
  if (parts_.empty()) return;
  // Only a master of its own is replaced.
  auto file = written_ ? AtomicFile::create_next(path_) : AtomicFile::create(path_);
  if (!file) throw DataError("write", path_.string() + ": the name is taken");
  // All datasets of any part; of images, in a type for all.
  CxiFormat format = parts_.front().format;
  bool ids = false;
  for (const CxiPart& part : parts_) {
    format.dtype = common_type(format.dtype, part.format.dtype);
    format.segmap |= part.format.segmap;
    format.logits |= part.format.logits;
    ids |= part.ids;
  }
  {
    const h5::SilentErrors silent;
    h5::Output output(*file);
    const h5::Properties links(H5Pcreate(H5P_LINK_CREATE));
    output.check(H5Pset_create_intermediate_group(links.get(), 1) >= 0, "links");
    write_origin(output, origin_);
    for (const CxiDataset& dataset : cxi_datasets(format, ids)) {
      write_virtual(output, links.get(), dataset);
    }
    write_mask(output, links.get());
    write_attributes(output);
    output.close();
  }
  file->commit();
  written_ = true;
  outdated_ = false;
}

void CxiMaster::write_virtual(const h5::Output& output, hid_t links, const CxiDataset& dataset) {
  const CxiFormat& format = parts_.front().format;
  const std::size_t most = std::ranges::max(parts_, {}, &CxiPart::most_peaks).most_peaks;
  const h5::Dataspace space = h5::simple_space(extents_of(dataset, format, events(), most));
  const h5::Properties creation(H5Pcreate(H5P_DATASET_CREATE));
  bool done = H5Pset_obj_track_times(creation.get(), false) >= 0;
  if (dataset.path == cxi_path::event_id) {
    done = done && H5Pset_fill_value(creation.get(), h5_type_of(dataset.dtype), &no_event_id) >= 0;
  }
  std::array<hsize_t, 3> first{};
  for (const CxiPart& part : parts_) {
    const auto extents = extents_of(dataset, format, part.events, part.most_peaks);
    if (has(part, dataset.path)) {
      const h5::Dataspace source = h5::simple_space(extents);
      done = done &&
             H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, first.data(), nullptr, extents.data(),
                                 nullptr) >= 0 &&
             H5Pset_virtual(creation.get(), space.get(), source_name(part.path).c_str(),
                            dataset.path.c_str(), source.get()) >= 0;
    }
    first[0] += part.events;
  }
  output.check(done && H5Sselect_all(space.get()) >= 0, dataset.path);
  const h5::Dataset created(H5Dcreate2(output.id(), dataset.path.c_str(), h5_type_of(dataset.dtype),
                                       space.get(), links, creation.get(), H5P_DEFAULT));
  output.check(created && (dataset.units == nullptr ||
                           h5::set_attribute(created.get(), "units", std::string(dataset.units))),
               dataset.path);
}

void CxiMaster::write_mask(h5::Output& output, hid_t links) {
  const auto& first = parts_.front().mask;
  const bool one = std::ranges::all_of(parts_, [&](const CxiPart& p) { return p.mask == first; });
  if (one && !first) return;
  const CxiFormat& format = parts_.front().format;
  std::vector<hsize_t> extents = {events(), format.rows(), format.width};
  std::vector<hsize_t> chunk = {1, format.rows(), format.width};
  if (one) {
    extents.erase(extents.begin());
    chunk.erase(chunk.begin());
  }
  constexpr CxiCompression compression{CxiCompression::Kind::gzip, 1};
  const h5::Properties creation(H5Pcreate(H5P_DATASET_CREATE));
  const h5::Dataspace space = h5::simple_space(extents);
  const bool set =
      H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data()) >= 0 &&
      H5Pset_obj_track_times(creation.get(), false) >= 0 &&
      h5::set_filters(creation.get(), filters_of(compression, DType::u8));
  output.check(set, cxi_path::mask);
  const h5::Dataset mask(H5Dcreate2(output.id(), cxi_path::mask, H5T_STD_U8LE, space.get(), links,
                                    creation.get(), H5P_DEFAULT));
  output.check(static_cast<bool>(mask), cxi_path::mask);
  std::vector<hsize_t> at(extents.size(), 0);
  for (const CxiPart& part : parts_) {
    // Entries that are not written are 0, which is good.
    if (!part.mask) {
      at[0] += part.events;
      continue;
    }
    const auto stored =
        compress_chunk(std::as_bytes(std::span(*part.mask)), DType::u8, compression);
    for (std::size_t event = 0; event < part.events; ++event, ++at[0]) {
      output.write_chunk(mask.get(), at, stored.raw());
      if (one) return;
    }
  }
}

// What all parts say of their images.
void CxiMaster::write_attributes(const h5::Output& output) {
  const CxiFormat& format = parts_.front().format;
  const h5::Dataset images(H5Dopen2(output.id(), cxi_path::data, H5P_DEFAULT));
  bool done = images && h5::set_attribute(images.get(), "panels", static_cast<int>(format.panels));
  if (std::ranges::all_of(parts_, [&](const CxiPart& part) {
        return part.format.normalized == format.normalized;
      })) {
    done = done && h5::set_attribute(images.get(), "normalized", format.normalized ? 1 : 0);
  }
  output.check(done, "attributes of the images");
}

}  // namespace pnflow
