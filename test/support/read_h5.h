#pragma once

#include <doctest/doctest.h>
#include <hdf5.h>

#include <filesystem>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "io/h5.h"
#include "io/hdf5_layout.h"

// Reads what pnflow wrote through HDF5's ordinary interface: its own driver and filters.
namespace pnflow::test {

class H5Reader {
 public:
  explicit H5Reader(const std::filesystem::path& path)
      : file_(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT)) {
    REQUIRE_MESSAGE(file_, path.string());
  }

  bool has(const std::string& path) const {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      if (H5Lexists(file_.get(), path.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
      if (end == std::string::npos) return true;
    }
  }

  std::vector<hsize_t> shape(const std::string& path) const {
    const h5::Dataset dataset = open(path);
    const h5::Dataspace space(H5Dget_space(dataset.get()));
    std::vector<hsize_t> extents(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space.get())));
    H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);
    return extents;
  }

  // The dataset must be stored as T.
  template <class T>
  std::vector<T> read(const std::string& path) const {
    const h5::Dataset dataset = open(path);
    const h5::Datatype stored(H5Dget_type(dataset.get()));
    const hid_t wanted = h5_type_of(dtype_of<T>);
    CHECK_MESSAGE(H5Tequal(stored.get(), wanted) > 0, path);
    const std::vector<hsize_t> extents = shape(path);
    std::vector<T> values(
        std::accumulate(extents.begin(), extents.end(), std::size_t{1}, std::multiplies<>{}));
    REQUIRE(H5Dread(dataset.get(), wanted, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
    return values;
  }

  // Extents of a chunk, and the numbers of the filters in their order.
  std::vector<hsize_t> chunk(const std::string& path) const {
    const h5::Dataset dataset = open(path);
    const h5::Properties creation(H5Dget_create_plist(dataset.get()));
    std::vector<hsize_t> extents(shape(path).size());
    REQUIRE(H5Pget_chunk(creation.get(), static_cast<int>(extents.size()), extents.data()) >= 0);
    return extents;
  }
  std::vector<int> filters(const std::string& path) const {
    const h5::Dataset dataset = open(path);
    const h5::Properties creation(H5Dget_create_plist(dataset.get()));
    std::vector<int> numbers;
    for (int i = 0; i < H5Pget_nfilters(creation.get()); ++i) {
      std::size_t values = 0;
      numbers.push_back(H5Pget_filter2(creation.get(), static_cast<unsigned>(i), nullptr, &values,
                                       nullptr, 0, nullptr, nullptr));
    }
    return numbers;
  }

  std::string text_attribute(const std::string& object, const std::string& name) const {
    const h5::Attribute attribute(
        H5Aopen_by_name(file_.get(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT));
    REQUIRE(attribute);
    const h5::Datatype type(H5Aget_type(attribute.get()));
    char* value = nullptr;
    REQUIRE(H5Aread(attribute.get(), type.get(), &value) >= 0);
    std::string text = value;
    H5free_memory(value);
    return text;
  }
  int integer_attribute(const std::string& object, const std::string& name) const {
    const h5::Attribute attribute(
        H5Aopen_by_name(file_.get(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT));
    REQUIRE(attribute);
    int value = -1;
    REQUIRE(H5Aread(attribute.get(), H5T_NATIVE_INT, &value) >= 0);
    return value;
  }

 private:
  h5::Dataset open(const std::string& path) const {
    h5::Dataset dataset(H5Dopen2(file_.get(), path.c_str(), H5P_DEFAULT));
    REQUIRE_MESSAGE(dataset, path);
    return dataset;
  }

  h5::File file_;
};

}  // namespace pnflow::test
