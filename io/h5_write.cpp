#include "io/h5_write.h"

namespace pnflow::h5 {

bool set_attribute(hid_t object, const char* name, const std::string& text) {
  const Datatype type(H5Tcopy(H5T_C_S1));
  const Dataspace scalar(H5Screate(H5S_SCALAR));
  if (H5Tset_size(type.get(), H5T_VARIABLE) < 0 || H5Tset_cset(type.get(), H5T_CSET_UTF8) < 0) {
    return false;
  }
  const Attribute attribute(
      H5Acreate2(object, name, type.get(), scalar.get(), H5P_DEFAULT, H5P_DEFAULT));
  const char* value = text.c_str();
  return attribute && H5Awrite(attribute.get(), type.get(), &value) >= 0;
}

bool set_attribute(hid_t object, const char* name, int value) {
  const Dataspace scalar(H5Screate(H5S_SCALAR));
  const Attribute attribute(
      H5Acreate2(object, name, H5T_STD_I32LE, scalar.get(), H5P_DEFAULT, H5P_DEFAULT));
  return attribute && H5Awrite(attribute.get(), H5T_NATIVE_INT, &value) >= 0;
}

bool set_filters(hid_t creation, std::span<const Filter> filters) {
  for (const Filter& filter : filters) {
    if (H5Pset_filter(creation, filter.id, H5Z_FLAG_OPTIONAL, filter.values.size(),
                      filter.values.data()) < 0) {
      return false;
    }
  }
  return true;
}

Dataspace simple_space(std::span<const hsize_t> extents) {
  return Dataspace(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr));
}

}  // namespace pnflow::h5
