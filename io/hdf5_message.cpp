#include "io/hdf5_message.h"

#include <fmt/format.h>

#include "graph/error.h"
#include "io/hdf5_header.h"

namespace pnflow {

Hdf5Message::Hdf5Message(std::span<const std::byte> bytes)
    : image_(std::make_shared<const Hdf5Image>(bytes)) {}

// Asks link by link: HDF5 would follow soft and external links on the way, the latter into files of
// this machine that the message names.
bool Hdf5Message::has_link(const std::string& path) const {
  std::size_t end = 0;
  while (end < path.size()) {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    if (part.empty() || part.back() == '/') return false;
    H5L_info_t link;
    if (H5Lexists(image_->file(), part.c_str(), H5P_DEFAULT) <= 0 ||
        H5Lget_info(image_->file(), part.c_str(), &link, H5P_DEFAULT) < 0 ||
        link.type != H5L_TYPE_HARD) {
      return false;
    }
    check_object_header(image_->bytes(), link.u.address);
  }
  return !path.empty();
}

std::optional<Hdf5Dataset> Hdf5Message::find(std::span<const std::string> paths) const {
  const h5::SilentErrors silent;
  for (const std::string& path : paths) {
    if (!has_link(path)) continue;
    const hid_t object = H5Oopen(image_->file(), path.c_str(), H5P_DEFAULT);
    if (object < 0) {
      throw DataError("damaged metadata", fmt::format("{} cannot be opened", path));
    }
    if (H5Iget_type(object) != H5I_DATASET) {
      H5Oclose(object);
      continue;
    }
    return Hdf5Dataset(image_, h5::Dataset(object), path);
  }
  return std::nullopt;
}

}  // namespace pnflow
