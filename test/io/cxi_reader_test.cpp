#include "io/cxi_reader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "graph/error.h"
#include "graph/mapped_file.h"
#include "io/atomic_file.h"
#include "io/crystfel_check.h"
#include "io/cxi_file.h"
#include "test/support/messages.h"
#include "test/support/scratch_directory.h"

namespace pnflow {
namespace {

using test::ScratchDirectory;

constexpr CxiFormat two_panels = {
    .dtype = DType::u16, .panels = 2, .height = 3, .width = 4, .compression = {}};

// Three events with 0, 2 and 1 peaks, and a mask with two bad pixels.
MappedFile written_file(const ScratchDirectory& directory) {
  const auto path = directory.path() / "a.cxi";
  auto atomic = AtomicFile::create(path);
  REQUIRE(atomic);
  std::vector<std::uint8_t> mask(24);
  mask[5] = mask[23] = 1;
  CxiFile file(*std::move(atomic), two_panels, {"run 7", "{}"}, 10, mask);
  for (std::size_t i = 0; i < 3; ++i) {
    CxiEvent event;
    event.image =
        make_cxi_chunk(array_of(*heap_pool(), std::vector<std::uint16_t>(24)), two_panels);
    event.timestamp = 100 + i;
    event.photon_energy = 9000;
    if (i == 1) event.peaks = {{1.5F, 2}, {4, 0.25F}, {5, 6}, {7, 8}, {9, 10}, {11, 12}, {1, 0}};
    if (i == 2) event.peaks = {{3}, {5}, {1}, {1}, {1}, {1}, {1}};
    file.append(std::move(event));
  }
  file.commit();
  return MappedFile(path);
}

TEST_CASE("peak lists are read back as pnflow wrote them") {
  const ScratchDirectory directory;
  const MappedFile bytes = written_file(directory);
  const CxiReader file(bytes.bytes());
  REQUIRE(file.events() == 3);
  CHECK(file.peak_count(0) == 0);
  CHECK(file.peaks(0).empty());
  const auto peaks = file.peaks(1);
  REQUIRE(peaks.size() == 2);
  CHECK(peaks[0].x == 1.5);
  CHECK(peaks[0].y == 4);
  CHECK(peaks[1].y == 0.25);
  CHECK(peaks[0].total == 5);
  CHECK(peaks[0].maximum == 7);
  CHECK(peaks[0].snr == 9);
  CHECK(peaks[0].npix == 11);
  CHECK(peaks[0].panel == 1);
  CHECK(file.peaks(2).size() == 1);
  CHECK_FALSE(file.peak_count(3));
  CHECK(file.peaks(3).empty());
  CHECK(file.timestamp(2) == 102);
  CHECK_FALSE(file.timestamp(3));
  CHECK(file.normalized() == false);
  CHECK(file.panels() == 2);
  const auto mask = file.mask(2);
  REQUIRE(mask);
  CHECK(mask->shape() == Shape{6, 4});
  CHECK(std::ranges::count(mask->as<std::uint8_t>(), std::uint8_t{1}) == 2);
  CHECK(mask->as<std::uint8_t>()[5] == 1);
}

TEST_CASE("CrystFEL has nothing against a file of pnflow's") {
  const ScratchDirectory directory;
  const MappedFile bytes = written_file(directory);
  const CrystfelCheck check = check_for_crystfel(CxiReader(bytes.bytes()));
  CHECK(check.faults.empty());
  CHECK(check.warnings.empty());
}

TEST_CASE("an HDF5 file without nPeaks is not CXI") {
  const auto bytes = test::counting_file({3}, {1});
  CHECK_THROWS_WITH_AS(CxiReader{bytes}, "not CXI: there is no /entry_1/result_1/nPeaks",
                       DataError);
}

// A file of two events with two peaks each that CrystFEL takes as it is; a test changes one thing.
struct Tables {
  std::vector<hsize_t> image_shape = {2, 4, 5}, image_chunk = {1, 4, 5};
  std::vector<std::int64_t> counts = {2, 1};
  std::vector<hsize_t> counts_shape = {2};
  std::vector<float> x = {1, 2, 3, 0}, y = {1, 3, 2, 0};
  std::vector<hsize_t> column_shape = {2, 2};
  hid_t column_type = H5T_IEEE_F32LE;
  bool total = true;
  std::vector<std::uint64_t> timestamps = {1, 2};
  std::vector<double> energies = {9500, 9500};
  std::vector<hsize_t> energies_shape = {2};
  std::vector<hsize_t> mask_shape = {4, 5};
  hid_t mask_type = H5T_STD_U8LE;

  std::vector<std::byte> file() const {
    return test::hdf5_file([this](hid_t file) {
      for (const char* group :
           {"/entry_1", "/entry_1/data_1", "/entry_1/result_1", "/LCLS", "/LCLS/detector_1"}) {
        h5::Group(H5Gcreate2(file, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
      }
      add(file, cxi_path::data, image_shape, H5T_STD_U16LE, H5T_NATIVE_UINT16, nullptr,
          image_chunk);
      add(file, "/entry_1/result_1/nPeaks", counts_shape, H5T_STD_I32LE, H5T_NATIVE_INT64,
          counts.data());
      add(file, "/entry_1/result_1/peakXPosRaw", column_shape, column_type, H5T_NATIVE_FLOAT,
          x.data());
      add(file, "/entry_1/result_1/peakYPosRaw", column_shape, column_type, H5T_NATIVE_FLOAT,
          y.data());
      if (total) {
        add(file, "/entry_1/result_1/peakTotalIntensity", column_shape, column_type,
            H5T_NATIVE_FLOAT, x.data());
      }
      add(file, cxi_path::timestamp, {2}, H5T_STD_U64LE, H5T_NATIVE_UINT64, timestamps.data());
      add(file, cxi_path::photon_energy, energies_shape, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE,
          energies.data());
      add(file, cxi_path::mask, mask_shape, mask_type, H5T_NATIVE_UINT8, nullptr);
    });
  }

  static void add(hid_t file, const char* path, const std::vector<hsize_t>& shape, hid_t type,
                  hid_t memory_type, const void* values, const std::vector<hsize_t>& chunk = {}) {
    const h5::Properties creation(H5Pcreate(H5P_DATASET_CREATE));
    if (!chunk.empty()) {
      H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data());
    }
    const h5::Dataspace space(
        shape.empty() ? H5Screate(H5S_SCALAR)
                      : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr));
    const h5::Dataset dataset(
        H5Dcreate2(file, path, type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT));
    REQUIRE(dataset);
    if (values == nullptr) return;
    REQUIRE(H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  }
};

TEST_CASE("time stamps are read to the last nanosecond") {
  constexpr std::uint64_t stamp = (std::uint64_t{1'700'000'000} << 32U) + 7;
  Tables tables;
  tables.timestamps = {stamp, stamp + 1};
  const auto bytes = tables.file();
  const CxiReader file(bytes);
  CHECK(file.timestamp(0) == stamp);
  CHECK(file.timestamp(1) == stamp + 1);
}

TEST_CASE("everything that CrystFEL trips over is one fault, in words that name it") {
  struct Case {
    const char* named;
    std::function<void(Tables&)> change;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<Case> cases = {
      {"(events, rows, columns)",
       [](Tables& t) {
         t.image_shape = {2, 1, 4, 5};
         t.image_chunk = {};
       }},
      {"for 2 events in nPeaks",
       [](Tables& t) {
         t.image_shape = {3, 4, 5};
       }},
      {"2 events in a chunk",
       [](Tables& t) {
         t.image_chunk = {2, 4, 5};
       }},
      {"not one integer for each event",
       [](Tables& t) {
         t.counts_shape = {2, 1};
       }},
      {"there is no /entry_1/result_1/peakTotalIntensity", [](Tables& t) { t.total = false; }},
      {"is negative or more than the 2",
       [](Tables& t) {
         t.counts = {2, 3};
       }},
      {"is negative or more than the 2",
       [](Tables& t) {
         t.counts = {-1, 1};
       }},
      {"1 peaks, the first in event 0, have a position that is not finite",
       [nan](Tables& t) { t.x[1] = nan; }},
      {"1 peaks, the first in event 1, are outside of the 4x5 image",
       [](Tables& t) { t.y[2] = 3.6F; }},
      {"2^63", [](Tables& t) { t.timestamps[1] = std::uint64_t{1} << 63U; }},
      {"photon_energy_eV is a single float64", [](Tables& t) { t.energies_shape = {}; }},
      {"mask is 5x4 uint8",
       [](Tables& t) {
         t.mask_shape = {5, 4};
       }},
      {"mask is 4x5 float32", [](Tables& t) { t.mask_type = H5T_IEEE_F32LE; }},
  };
  CHECK(check_for_crystfel(CxiReader(Tables().file())).faults.empty());
  for (const Case& one : cases) {
    CAPTURE(one.named);
    Tables tables;
    one.change(tables);
    const auto bytes = tables.file();
    const CrystfelCheck check = check_for_crystfel(CxiReader(bytes));
    REQUIRE(check.faults.size() == 1);
    CHECK(check.faults[0].find(one.named) != std::string::npos);
    CAPTURE(check.faults[0]);
  }
  Tables flat;
  flat.column_shape = {4};
  CHECK(check_for_crystfel(CxiReader(flat.file())).faults.size() == 3);
  Tables wide;
  wide.column_type = H5T_IEEE_F64LE;
  CHECK(check_for_crystfel(CxiReader(wide.file())).faults.size() == 3);
}

TEST_CASE("a photon energy that is not known is a warning") {
  Tables tables;
  tables.energies[1] = 0;
  const auto bytes = tables.file();
  const CrystfelCheck check = check_for_crystfel(CxiReader(bytes));
  CHECK(check.faults.empty());
  REQUIRE(check.warnings.size() == 1);
  CHECK(check.warnings[0].find("of 1 events, the first of them event 1") != std::string::npos);
}

TEST_CASE("a file with less than its nPeaks says gives the peaks that there are") {
  Tables tables;
  tables.counts = {7, -2};
  const auto bytes = tables.file();
  const CxiReader file(bytes);
  CHECK(file.peak_count(0) == 7);
  CHECK(file.peaks(0).size() == 2);
  CHECK(file.peaks(1).empty());
  CHECK(std::isnan(file.peaks(0)[0].snr));
  CHECK_FALSE(file.panels());
  CHECK_FALSE(file.normalized());
}

}  // namespace
}  // namespace pnflow
