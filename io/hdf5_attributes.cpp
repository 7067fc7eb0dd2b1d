#include "io/hdf5_attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "graph/error.h"

namespace pnflow {
namespace {

constexpr std::size_t longest_text = std::size_t{16} << 20U;

[[noreturn]] void fail(const std::string& path, const std::string& name) {
  throw DataError("damaged metadata", fmt::format("attribute {} of {}", name, path));
}

template <class T>
std::optional<T> read_number(hid_t attribute, hid_t type) {
  T value{};
  if (H5Aread(attribute, type, &value) < 0) return {};
  return value;
}

std::optional<std::string> read_text(hid_t attribute, hid_t type) {
  if (H5Tis_variable_str(type) > 0) {
    char* text = nullptr;
    if (H5Aread(attribute, type, static_cast<void*>(&text)) < 0) return {};
    std::string value = text == nullptr ? "" : text;  // HDF5's empty text
    H5free_memory(text);
    return value;
  }
  const std::size_t size = H5Tget_size(type);
  if (size == 0 || size > longest_text) return {};
  std::string value(size, '\0');
  if (H5Aread(attribute, type, value.data()) < 0) return {};
  value.resize(std::min(value.find('\0'), size));
  return value;
}

void add(hid_t object, const std::string& path, const std::string& name,
         std::vector<Hdf5Attribute>& to) {
  const h5::Attribute attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT));
  if (!attribute) fail(path, name);
  const h5::Dataspace space(H5Aget_space(attribute.get()));
  const h5::Datatype type(H5Aget_type(attribute.get()));
  if (!space || !type) fail(path, name);
  if (H5Sget_simple_extent_npoints(space.get()) != 1) return;
  const auto take = [&](const auto& value) {
    if (!value) fail(path, name);
    to.push_back({name, *value});
  };
  switch (H5Tget_class(type.get())) {
    case H5T_INTEGER:
    case H5T_ENUM: take(read_number<std::int64_t>(attribute.get(), H5T_NATIVE_INT64)); break;
    case H5T_FLOAT: take(read_number<double>(attribute.get(), H5T_NATIVE_DOUBLE)); break;
    case H5T_STRING: take(read_text(attribute.get(), type.get())); break;
    default: break;
  }
}

}  // namespace

std::vector<Hdf5Attribute> read_attributes(hid_t object, const std::string& path) {
  const h5::SilentErrors silent;
  std::vector<std::string> names;
  const auto collect = [](hid_t, const char* name, const H5A_info_t*, void* into) -> herr_t {
    static_cast<std::vector<std::string>*>(into)->emplace_back(name);
    return 0;
  };
  hsize_t at = 0;
  if (H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &at, collect, &names) < 0) {
    throw DataError("damaged metadata", fmt::format("the attributes of {} cannot be listed", path));
  }
  std::vector<Hdf5Attribute> attributes;
  for (const std::string& name : names) add(object, path, name, attributes);
  return attributes;
}

}  // namespace pnflow
