#include "io/hdf5_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "graph/error.h"
#include "io/hdf5_header.h"
#include "io/hdf5_sources.h"

namespace pnflow {
namespace {

constexpr int max_depth = 16;  // of groups

}  // namespace

Hdf5Message::Hdf5Message(std::span<const std::byte> bytes, const std::filesystem::path& file)
    : image_(std::make_shared<const Hdf5Image>(bytes)) {
  if (!file.empty()) sources_ = std::make_shared<const Hdf5Sources>(file);
}

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
  const h5::Turn turn;
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
    return Hdf5Dataset(image_, h5::Dataset(object), path, sources_);
  }
  return std::nullopt;
}

std::vector<std::string> Hdf5Message::links(const std::string& group) const {
  struct Collected {
    std::vector<std::string> names;
    std::size_t left;
  };
  // Each link takes more room in the file than this, unless its index leads in circles.
  constexpr std::size_t least_link_bytes = 8;
  Collected collected{{}, image_->bytes().size() / least_link_bytes};
  const auto collect = [](hid_t, const char* name, const H5L_info_t* link, void* into) -> herr_t {
    auto& found = *static_cast<Collected*>(into);
    if (found.left-- == 0) return -1;
    if (link->type == H5L_TYPE_HARD) found.names.emplace_back(name);
    return 0;
  };
  hsize_t at = 0;
  if (H5Literate_by_name(image_->file(), group.c_str(), H5_INDEX_NAME, H5_ITER_INC, &at, collect,
                         &collected, H5P_DEFAULT) < 0) {
    throw DataError("damaged metadata", fmt::format("group {} cannot be listed", group));
  }
  return std::move(collected.names);
}

std::vector<std::string> Hdf5Message::paths() const {
  struct Group {
    std::string path;
    int depth;
  };
  const h5::SilentErrors silent;
  std::vector<std::string> paths;
  std::vector<Group> groups = {{"/", 0}};
  // Hard links may lead back to a group above, or to one group in many ways.
  H5O_info_t root;
  if (H5Oget_info2(image_->file(), &root, H5O_INFO_BASIC) < 0) {
    throw DataError("damaged metadata", "the root group cannot be opened");
  }
  std::set<haddr_t> seen = {root.addr};
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const Group group = groups[g];
    for (const std::string& child : links(group.path)) {
      const std::string path = (group.depth == 0 ? "/" : group.path + "/") + child;
      if (!has_link(path)) continue;
      H5O_info_t object;
      if (H5Oget_info_by_name2(image_->file(), path.c_str(), &object, H5O_INFO_BASIC, H5P_DEFAULT) <
          0) {
        throw DataError("damaged metadata", fmt::format("{} cannot be opened", path));
      }
      if (object.type == H5O_TYPE_DATASET) paths.push_back(path);
      if (object.type == H5O_TYPE_GROUP && group.depth < max_depth &&
          seen.insert(object.addr).second) {
        groups.push_back({path, group.depth + 1});
      }
    }
  }
  std::ranges::sort(paths);
  return paths;
}

std::vector<Hdf5Attribute> Hdf5Message::attributes(const std::string& path) const {
  const h5::SilentErrors silent;
  if (path != "/" && !has_link(path)) return {};
  const h5::Object object(H5Oopen(image_->file(), path.c_str(), H5P_DEFAULT));
  if (!object) throw DataError("damaged metadata", fmt::format("{} cannot be opened", path));
  return read_attributes(object.get(), path);
}

std::vector<VirtualSource> Hdf5Message::virtual_sources(const std::string& path) const {
  const h5::SilentErrors silent;
  if (!has_link(path)) return {};
  const h5::Object object(H5Oopen(image_->file(), path.c_str(), H5P_DEFAULT));
  if (!object) throw DataError("damaged metadata", fmt::format("{} cannot be opened", path));
  if (H5Iget_type(object.get()) != H5I_DATASET) return {};
  return pnflow::virtual_sources(object.get(), path);
}

}  // namespace pnflow
