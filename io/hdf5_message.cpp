#include "io/hdf5_message.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/error.h"
#include "io/hdf5_header.h"

namespace pnflow {
namespace {

constexpr int max_depth = 16;  // of groups

}  // namespace

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

void Hdf5Message::add_paths(const std::string& group, int depth,
                            std::vector<std::string>& paths) const {
  std::vector<std::string> children;
  hsize_t at = 0;
  const auto collect = [](hid_t, const char* name, const H5L_info_t* link, void* into) -> herr_t {
    if (link->type == H5L_TYPE_HARD) static_cast<std::vector<std::string>*>(into)->push_back(name);
    return 0;
  };
  if (H5Literate_by_name(image_->file(), group.c_str(), H5_INDEX_NAME, H5_ITER_INC, &at, collect,
                         &children, H5P_DEFAULT) < 0) {
    throw DataError("damaged metadata", fmt::format("group {} cannot be listed", group));
  }
  for (const std::string& child : children) {
    const std::string path = (group == "/" ? "/" : group + "/") + child;
    if (!has_link(path)) continue;
    H5O_info_t object;
    if (H5Oget_info_by_name2(image_->file(), path.c_str(), &object, H5O_INFO_BASIC, H5P_DEFAULT) <
        0) {
      throw DataError("damaged metadata", fmt::format("{} cannot be opened", path));
    }
    if (object.type == H5O_TYPE_DATASET) paths.push_back(path);
    // A hard link may lead back to a group above it.
    if (object.type == H5O_TYPE_GROUP && depth < max_depth) add_paths(path, depth + 1, paths);
  }
}

std::vector<std::string> Hdf5Message::paths() const {
  const h5::SilentErrors silent;
  std::vector<std::string> paths;
  add_paths("/", 0, paths);
  std::ranges::sort(paths);
  return paths;
}

}  // namespace pnflow
