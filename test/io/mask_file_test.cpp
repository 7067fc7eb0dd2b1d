#include "io/mask_file.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "graph/error.h"
#include "io/h5.h"

using namespace pnflow;

namespace {

// An HDF5 file with one data set, gone with this object.
class MaskFile {
 public:
  MaskFile(const std::string& dataset, const std::vector<hsize_t>& shape,
           hid_t type = H5T_NATIVE_INT32) {
    std::size_t count = 1;
    for (const hsize_t extent : shape) count *= extent;
    std::vector<std::int32_t> values(count);
    for (std::size_t i = 0; i < count; ++i)
      values[i] = i % 3 == 0 ? static_cast<std::int32_t>(i) : 0;
    const h5::File file(H5Fcreate(name_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
    const h5::Properties links(H5Pcreate(H5P_LINK_CREATE));
    H5Pset_create_intermediate_group(links.get(), 1);
    const h5::Dataspace space(
        H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr));
    const h5::Dataset set(H5Dcreate2(file.get(), dataset.c_str(), type, space.get(), links.get(),
                                     H5P_DEFAULT, H5P_DEFAULT));
    REQUIRE(H5Dwrite(set.get(), H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >=
            0);
  }
  ~MaskFile() {
    std::error_code ignored;
    std::filesystem::remove(name_, ignored);
  }
  const std::string& name() const { return name_; }

 private:
  std::string name_ =
      (std::filesystem::temp_directory_path() / ("pnflow-mask-" + std::to_string(getpid()) + ".h5"))
          .string();
};

}  // namespace

TEST_CASE("a mask of panels and a slab are the same mask, found in both usual places") {
  for (const char* place : {"/mask", "/entry_1/data_1/mask"}) {
    for (const std::vector<hsize_t>& shape : {std::vector<hsize_t>{2, 4, 5}, {8, 5}}) {
      const MaskFile file(place, shape);
      const Array mask = mask_for(load_mask(file.name()), 2, 4, 5);
      CHECK(mask.shape() == Shape{2, 4, 5});
      const auto values = mask.as<std::uint8_t>();
      for (std::size_t i = 0; i < 40; ++i) REQUIRE(values[i] == (i > 0 && i % 3 == 0 ? 1 : 0));
    }
  }
}

TEST_CASE("the detector's real mask is read") {
  const Array mask = load_mask(PNFLOW_TEST_DATA "/bragg/mask.h5");
  CHECK(mask.shape() == Shape{16, 352, 384});
  const auto bad = std::ranges::count(mask.as<std::uint8_t>(), 1);
  CHECK(bad > 1000);
  CHECK(bad < 200'000);
}

TEST_CASE("a mask that does not fit the images is refused with both shapes") {
  const MaskFile file("/mask", {8, 5});
  const Array mask = load_mask(file.name());
  CHECK_THROWS_WITH_AS(mask_for(mask, 2, 5, 4), doctest::Contains("the mask is 8x5"), DataError);
  CHECK_THROWS_WITH_AS(mask_for(mask, 2, 5, 4), doctest::Contains("2x5x4"), DataError);
}

TEST_CASE("no file, no data set and no integers are errors with the file's name") {
  CHECK_THROWS_WITH_AS(load_mask("/nowhere/mask.h5"), doctest::Contains("/nowhere/mask.h5"),
                       RunError);
  const MaskFile file("/mask", {8, 5});
  CHECK_THROWS_WITH_AS(load_mask(file.name(), "/data/bad"),
                       doctest::Contains("no data set '/data/bad'"), RunError);
  const MaskFile reals("/mask", {8, 5}, H5T_NATIVE_FLOAT);
  CHECK_THROWS_WITH_AS(load_mask(reals.name()), doctest::Contains("integers"), RunError);
}
