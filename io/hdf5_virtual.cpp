#include "io/hdf5_virtual.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

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

// In the name of a file % stands twice.
std::string file_name(const std::string& mapped) {
  std::string name;
  for (std::size_t i = 0; i < mapped.size(); ++i) {
    name += mapped[i];
    if (mapped[i] == '%' && i + 1 < mapped.size() && mapped[i + 1] == '%') ++i;
  }
  return name;
}

// The corners of a selection that has no gaps.
struct Block {
  std::vector<hsize_t> first, shape;

  bool begins_at_zero(std::size_t from_axis) const {
    return std::all_of(first.begin() + static_cast<std::ptrdiff_t>(from_axis), first.end(),
                       [](hsize_t at) { return at == 0; });
  }
};

std::optional<Block> block_of(hid_t space) {
  const int rank = H5Sget_simple_extent_ndims(space);
  std::array<hsize_t, H5S_MAX_RANK> first{}, last{};
  if (rank < 1 || H5Sget_select_bounds(space, first.data(), last.data()) < 0) return {};
  Block block;
  hsize_t elements = 1;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(rank); ++axis) {
    block.first.push_back(first[axis]);
    block.shape.push_back(last[axis] - first[axis] + 1);
    elements *= block.shape.back();
  }
  if (H5Sget_select_npoints(space) != static_cast<hssize_t>(elements)) return {};
  return block;
}

// Whether the source's selection is all of a dataset of that shape.
bool is_all(hid_t space, const std::vector<hsize_t>& shape) {
  if (H5Sget_select_type(space) == H5S_SEL_ALL) return true;
  const auto block = block_of(space);
  return block && block->begins_at_zero(0) && block->shape == shape;
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
    source.file = file_name(text_of(properties.get(), i, H5Pget_virtual_filename, path));
    source.dataset = text_of(properties.get(), i, H5Pget_virtual_dsetname, path);
    const h5::Dataspace to(H5Pget_virtual_vspace(properties.get(), i));
    const h5::Dataspace from(H5Pget_virtual_srcspace(properties.get(), i));
    if (!to || !from) damaged(path);
    const auto block = block_of(to.get());
    if (!block) {
      throw DataError("unsupported layout",
                      fmt::format("{}: a virtual dataset whose blocks have gaps or no end", path));
    }
    source.first = block->first[0];
    source.shape = block->shape;
    source.whole = block->begins_at_zero(1) && is_all(from.get(), block->shape);
  }
  std::ranges::sort(sources, {}, &VirtualSource::first);
  return sources;
}

}  // namespace pnflow
