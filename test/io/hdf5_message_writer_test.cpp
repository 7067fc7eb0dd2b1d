#include "io/hdf5_message_writer.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "io/hdf5_message.h"
#include "test/support/messages.h"

using namespace pnflow;

TEST_CASE("What the writer writes the reader reads, for each compression and dtype") {
  std::mt19937 random(11);
  for (const auto compression :
       {Hdf5Compression::none, Hdf5Compression::gzip, Hdf5Compression::bitshuffle_lz4}) {
    for (const DType dtype :
         {DType::u8, DType::i16, DType::u16, DType::i32, DType::f32, DType::f64}) {
      const Shape shape = {3, 2, 17, 31};
      std::vector<std::byte> pixels(elements_of(shape) * size_of(dtype));
      for (std::byte& byte : pixels) byte = static_cast<std::byte>(random() % 4);
      const std::vector<std::uint64_t> times = {1, 2, std::uint64_t{7} << 32U};
      const std::vector<double> wavelengths = {1.3, 1.31, 1.32};
      const std::vector<NamedArray> fields = {
          {"/entry/deep/image", dtype, shape, pixels},
          {"/entry/time", DType::u64, {3}, test::bytes_of(times)},
          {"/wavelength", DType::f64, {3}, test::bytes_of(wavelengths)}};
      const auto bytes = write_hdf5_message(fields, compression);
      CHECK(bytes == write_hdf5_message(fields, compression));

      const Hdf5Message message(bytes);
      for (const NamedArray& field : fields) {
        CAPTURE(field.name);
        const std::vector<std::string> paths = {"/nothing", field.name};
        const auto dataset = message.find(paths);
        REQUIRE(dataset);
        CHECK(dataset->info().dtype == field.dtype);
        CHECK(dataset->info().shape == field.shape);
        CHECK(dataset->info().chunk[0] == 1);
        CHECK(dataset->info().filters.size() == (compression == Hdf5Compression::none ? 0 : 1));
        std::vector<std::byte> out(field.data.size());
        dataset->read_all(out);
        CHECK(std::memcmp(out.data(), field.data.data(), out.size()) == 0);
      }
    }
  }
}

TEST_CASE("Fields that cannot be written are refused") {
  const std::vector<std::uint16_t> pixels(12);
  const auto write = [](std::vector<NamedArray> fields) {
    write_hdf5_message(fields, Hdf5Compression::none);
  };
  const auto data = test::bytes_of(pixels);
  CHECK_NOTHROW(write({{"/a", DType::u16, {3, 4}, data}}));
  CHECK_THROWS_AS(write({{"/a", DType::u16, {3, 5}, data}}), std::invalid_argument);
  CHECK_THROWS_AS(write({{"/a", DType::u16, {}, data}}), std::invalid_argument);
  CHECK_THROWS_AS(write({{"/a", DType::u16, {0, 4}, {}}}), std::invalid_argument);
  CHECK_THROWS_AS(write({{"/a", DType::u16, {3, 4}, data}, {"/a", DType::u16, {3, 4}, data}}),
                  std::invalid_argument);
}
