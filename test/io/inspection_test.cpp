// Small readers that looking at files stands on.

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "graph/error.h"
#include "io/hdf5_message.h"
#include "io/iso_time.h"
#include "io/pixel_statistics.h"
#include "io/timestamps.h"
#include "test/support/messages.h"

namespace pnflow {
namespace {

TEST_CASE("a packed time stamp is shown with all of its nanoseconds") {
  CHECK(iso_time(0).empty());
  CHECK(iso_time(packed_timestamp(1'700'000'000, 5)) == "2023-11-14T22:13:20.000000005Z");
  CHECK(iso_time(packed_timestamp(4'294'967'295, 999'999'999)) == "2106-02-07T06:28:15.999999999Z");
  CHECK(iso_time(packed_timestamp(0, 1)) == "1970-01-01T00:00:00.000000001Z");
  // No second has that many.
  CHECK(iso_time(packed_timestamp(1, 4'000'000'000)) == "1970-01-01T00:00:01.4000000000Z");
}

template <class T>
PixelStatistics statistics_of(const std::vector<T>& pixels) {
  PixelStatistics statistics;
  statistics.add(test::bytes_of(pixels), dtype_of<T>);
  return statistics;
}

TEST_CASE("pixel statistics leave out what is not finite and count it") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  auto statistics = statistics_of<float>({1, nan, -3, infinity, 5, -infinity});
  CHECK(statistics.min == -3);
  CHECK(statistics.max == 5);
  CHECK(statistics.mean() == 1);
  CHECK(statistics.finite == 3);
  CHECK(statistics.non_finite == 3);
  statistics.add(statistics_of<std::int16_t>({-32768, 32767, 0}));
  CHECK(statistics.min == -32768);
  CHECK(statistics.max == 32767);
  CHECK(statistics.finite == 6);
  CHECK(std::isnan(statistics_of<float>({nan}).mean()));
  // Sums beyond 32 bits, and the smallest and the largest numbers.
  CHECK(statistics_of(std::vector<std::uint16_t>(100'000, 65535)).mean() == 65535);
  CHECK(statistics_of<double>({-1e300, 1e300}).min == -1e300);
}

TEST_CASE("attributes of one number or one text are read, others passed over") {
  const auto bytes = test::hdf5_file([](hid_t file) {
    const h5::Dataspace scalar(H5Screate(H5S_SCALAR));
    const hsize_t three = 3;
    const h5::Dataspace vector(H5Screate_simple(1, &three, nullptr));
    const auto put = [&](const char* name, hid_t type, const h5::Dataspace& space,
                         const void* value) {
      const h5::Attribute attribute(
          H5Acreate2(file, name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT));
      REQUIRE(H5Awrite(attribute.get(), type, value) >= 0);
    };
    const int number = -7;
    const double fraction = 0.25;
    const char* text = "of any length";
    const int several[] = {1, 2, 3};
    const char padded[8] = {'a', 'b', 'c'};
    const h5::Datatype variable(H5Tcopy(H5T_C_S1));
    H5Tset_size(variable.get(), H5T_VARIABLE);
    const h5::Datatype fixed(H5Tcopy(H5T_C_S1));
    H5Tset_size(fixed.get(), 8);
    put("number", H5T_NATIVE_INT, scalar, &number);
    put("fraction", H5T_NATIVE_DOUBLE, scalar, &fraction);
    put("text", variable.get(), scalar, &text);
    put("fixed", fixed.get(), scalar, padded);
    put("several", H5T_NATIVE_INT, vector, several);
  });
  const Hdf5Message message(bytes);
  const auto attributes = message.attributes("/");
  REQUIRE(attributes.size() == 4);
  CHECK(attributes[0].name == "fixed");
  CHECK(std::get<std::string>(attributes[0].value) == "abc");
  CHECK(std::get<double>(attributes[1].value) == 0.25);
  CHECK(std::get<std::int64_t>(attributes[2].value) == -7);
  CHECK(std::get<std::string>(attributes[3].value) == "of any length");
  CHECK(message.attributes("/nothing").empty());
}

TEST_CASE("a dataset knows how many bytes it takes") {
  const std::vector<std::string> data = {"/data"};
  const auto stored = [&](const std::vector<std::byte>& bytes) {
    return Hdf5Message(bytes).find(data)->stored_bytes();
  };
  CHECK(stored(test::counting_file({6, 8}, {})) == 6 * 8 * 4);
  CHECK(stored(test::counting_file({6, 8}, {2, 8})) == 6 * 8 * 4);
  const auto compressed = test::counting_file({6, 800}, {1, 800}, [](hid_t properties) {
    H5Pset_shuffle(properties);
    H5Pset_deflate(properties, 9);
  });
  CHECK(stored(compressed) < 6 * 800 * 4 / 4);
  CHECK(stored(compressed) > 0);
}

}  // namespace
}  // namespace pnflow
