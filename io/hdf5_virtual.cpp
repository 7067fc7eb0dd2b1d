#include "io/hdf5_virtual.h"

#include <fmt/format.h>

#include <array>

#include "graph/error.h"

namespace pnflow {
namespace {

[[noreturn]] void damaged(const std::string& path) {
  throw DataError("damaged metadata", fmt::format("{}: the virtual dataset's mapping", path));
}

// One of the two texts of an entry of the mapping.
template <class Get>
std::string text_of(hid_t properties, std::size_t index, const Get& get, const std::string& path) {
  const ssize_t length = get(properties, index, nullptr, 0);
  if (length < 0) damaged(path);
  std::string text(static_cast<std::size_t>(length) + 1, '\0');
  if (get(properties, index, text.data(), text.size()) < 0) damaged(path);
  text.pop_back();
  return text;
}

}  // namespace

std::vector<VirtualSource> virtual_sources(hid_t dataset, const std::string& path) {
  const h5::SilentErrors silent;
  const h5::Properties properties(H5Dget_create_plist(dataset));
  if (!properties) damaged(path);
  if (H5Pget_layout(properties.get()) != H5D_VIRTUAL) return {};
  std::size_t count = 0;
  if (H5Pget_virtual_count(properties.get(), &count) < 0) damaged(path);
  std::vector<VirtualSource> sources(count);
  for (std::size_t i = 0; i < count; ++i) {
    VirtualSource& source = sources[i];
    source.file = text_of(properties.get(), i, H5Pget_virtual_filename, path);
    source.dataset = text_of(properties.get(), i, H5Pget_virtual_dsetname, path);
    const h5::Dataspace block(H5Pget_virtual_vspace(properties.get(), i));
    const int rank = block ? H5Sget_simple_extent_ndims(block.get()) : -1;
    std::array<hsize_t, H5S_MAX_RANK> first{}, last{};
    if (rank < 1 || H5Sget_select_bounds(block.get(), first.data(), last.data()) < 0) damaged(path);
    source.first = first[0];
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(rank); ++axis) {
      source.shape.push_back(last[axis] - first[axis] + 1);
    }
  }
  return sources;
}

}  // namespace pnflow
