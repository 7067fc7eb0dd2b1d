#include "io/hdf5_message.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <numeric>
#include <thread>

#include "io/timestamps.h"
#include "test/support/messages.h"
#include "test/support/npz.h"

using namespace pnflow;

namespace {

const std::vector<std::string> image_paths = {"/data/data", "/data"};
const std::vector<std::string> timestamp_paths = {"/data/timestamp", "/timestamp"};
const std::vector<std::string> wavelength_paths = {"/data/wavelength", "/wavelength"};

std::vector<std::byte> read_all(const Hdf5Dataset& dataset) {
  std::vector<std::byte> out(dataset.events() * dataset.event_bytes());
  dataset.read_all(out);
  return out;
}

template <class T>
std::vector<T> values_of(const Hdf5Dataset& dataset) {
  REQUIRE(dataset.info().dtype == dtype_of<T>);
  std::vector<T> values(dataset.events() * dataset.event_bytes() / sizeof(T));
  dataset.read_all(std::as_writable_bytes(std::span(values)));
  return values;
}

std::vector<std::uint64_t> timestamps_of(const Hdf5Message& message) {
  const auto dataset = message.find(timestamp_paths);
  REQUIRE(dataset);
  if (dataset->info().dtype == DType::u64) return values_of<std::uint64_t>(*dataset);
  std::vector<std::uint64_t> packed;
  for (const double value : values_of<double>(*dataset)) packed.push_back(packed_from(value));
  return packed;
}

// The middle of an event's images whose padding the producer laid around all four sides.
std::vector<std::byte> without_padding(std::span<const std::byte> event, const Shape& padded,
                                       const Shape& wanted, std::size_t element_bytes) {
  const std::size_t rows = padded[padded.size() - 2];
  const std::size_t columns = padded.back();
  const std::size_t height = wanted[wanted.size() - 2];
  const std::size_t width = wanted.back();
  const std::size_t images = event.size() / (rows * columns * element_bytes);
  std::vector<std::byte> out;
  for (std::size_t image = 0; image < images; ++image) {
    for (std::size_t y = 0; y < height; ++y) {
      const std::size_t row = image * rows + (rows - height) / 2 + y;
      const auto from = event.subspan((row * columns + (columns - width) / 2) * element_bytes,
                                      width * element_bytes);
      out.insert(out.end(), from.begin(), from.end());
    }
  }
  return out;
}

void compare_with_oracle(const std::string& set) {
  const auto expected =
      test::read_npz(std::string(PNFLOW_TEST_DATA) + "/lclstreamer/" + set + "/expected.npz");
  const auto& images =
      expected.at(expected.contains("images_decoded") ? "images_decoded" : "images");
  const Shape wanted(images.shape.begin() + 1, images.shape.end());
  const std::size_t event_bytes = images.bytes.size() / images.shape[0];
  std::vector<std::uint64_t> timestamps;
  std::vector<double> wavelengths;
  std::size_t seen = 0;
  for (const std::string& path : test::captured_messages(set)) {
    const std::vector<std::byte> bytes = test::read_bytes(path);
    const Hdf5Message message(bytes);
    const auto image = message.find(image_paths);
    REQUIRE(image);
    CHECK(image->info().path == expected.at("image_name").text());
    for (std::size_t event = 0; event < image->events(); ++event, ++seen) {
      REQUIRE(seen < images.shape[0]);
      std::vector<std::byte> pixels(image->event_bytes());
      image->read_event(event, pixels);
      if (pixels.size() != event_bytes) {
        pixels =
            without_padding(pixels, image->event_shape(), wanted, size_of(image->info().dtype));
      }
      REQUIRE(pixels.size() == event_bytes);
      CHECK(std::memcmp(pixels.data(), &images.bytes[seen * event_bytes], event_bytes) == 0);
    }
    const auto stamps = timestamps_of(message);
    timestamps.insert(timestamps.end(), stamps.begin(), stamps.end());
    if (const auto dataset = message.find(wavelength_paths)) {
      const auto values = values_of<double>(*dataset);
      wavelengths.insert(wavelengths.end(), values.begin(), values.end());
    }
  }
  CHECK(seen == images.shape[0]);
  CHECK(timestamps == expected.at("timestamp_u64").as<std::uint64_t>());
  REQUIRE(wavelengths.empty() != expected.contains("wavelength"));
  if (wavelengths.empty()) return;
  const auto truth = expected.at("wavelength").as<double>();
  REQUIRE(wavelengths.size() == truth.size());
  for (std::size_t i = 0; i < truth.size(); ++i) {
    CHECK((wavelengths[i] == truth[i] || (std::isnan(wavelengths[i]) && std::isnan(truth[i]))));
  }
}

void check_counting(const std::vector<std::byte>& file) {
  const Hdf5Message message(file);
  const auto dataset = message.find(image_paths);
  REQUIRE(dataset);
  const auto values = values_of<std::int32_t>(*dataset);
  std::vector<std::int32_t> counting(values.size());
  std::iota(counting.begin(), counting.end(), 0);
  CHECK(values == counting);
}

}  // namespace

TEST_CASE("Every captured message gives the pixels, times and wavelengths that went in") {
  for (const char* set :
       {"hdf5_bslz4_f32_panels", "hdf5_bslz4_i16_odd", "hdf5_bslz4_u16_panels",
        "hdf5_bszstd_f32_odd", "hdf5_bszstd_u16_panels", "hdf5_epix10k2m_bslz4_u16",
        "hdf5_gzip_f32_panels", "hdf5_gzip_f64_default", "hdf5_gzip_shuffle_u16_panels",
        "hdf5_missing_wavelength", "hdf5_none_f32", "hdf5_none_u16_panels",
        "hdf5_peaknet_center_f32", "hdf5_peaknet_original_shape", "hdf5_psana1_no_wavelength",
        "hdf5_three_ranks", "hdf5_zfp_f32_panels", "hdf5_zfp_f64_mfx", "hdf5_zfp_i32"}) {
    CAPTURE(std::string(set));
    compare_with_oracle(set);
  }
}

TEST_CASE("The original shape of padded panels is read as it stands") {
  const auto bytes = test::read_bytes(test::captured_messages("hdf5_peaknet_original_shape").at(0));
  const Hdf5Message message(bytes);
  const std::vector<std::string> paths = {"/data/original_shape"};
  const auto dataset = message.find(paths);
  REQUIRE(dataset);
  CHECK(values_of<std::int32_t>(*dataset) == std::vector<std::int32_t>{4, 2, 85, 93});
}

TEST_CASE("Chunks of several events, parts of events and ragged edges are put together") {
  const auto deflate = [](hid_t properties) { H5Pset_deflate(properties, 4); };
  const std::vector<std::vector<hsize_t>> chunks = {{1, 3, 10, 13}, {1, 1, 10, 13}, {1, 2, 4, 5},
                                                    {3, 3, 10, 13}, {2, 2, 3, 4},   {7, 3, 10, 13},
                                                    {5, 1, 1, 13}};
  for (const auto& chunk : chunks) {
    CAPTURE(chunk[0]);
    check_counting(test::counting_file({7, 3, 10, 13}, chunk));
    check_counting(test::counting_file({7, 3, 10, 13}, chunk, deflate));
    check_counting(test::counting_file({7, 3, 10, 13}, chunk, deflate, true));
  }
  check_counting(test::counting_file({50}, {16}, deflate));
}

TEST_CASE("Contiguous, compact and latest-format files are read") {
  check_counting(test::counting_file({5, 4, 3}, {}));
  check_counting(
      test::counting_file({5, 4, 3}, {}, [](hid_t p) { H5Pset_layout(p, H5D_COMPACT); }));
  check_counting(test::counting_file(
      {5, 4, 3}, {}, [](hid_t) {}, true));
  check_counting(test::counting_file(
      {1, 64, 64}, {1, 64, 64}, [](hid_t) {}, true));
}

TEST_CASE("HDF5's own filters are undone, alone and one after the other") {
  check_counting(test::counting_file({4, 9, 11}, {1, 9, 11}, [](hid_t p) { H5Pset_shuffle(p); }));
  check_counting(
      test::counting_file({4, 9, 11}, {1, 9, 11}, [](hid_t p) { H5Pset_fletcher32(p); }));
  check_counting(test::counting_file({4, 30, 30}, {1, 30, 30}, [](hid_t p) {
    H5Pset_shuffle(p);
    H5Pset_deflate(p, 6);
    H5Pset_fletcher32(p);
  }));
  check_counting(test::counting_file({4, 30, 31}, {1, 30, 31}, [](hid_t p) {
    H5Pset_fletcher32(p);
    H5Pset_deflate(p, 6);
  }));
}

TEST_CASE("A filter that only HDF5 knows is left to HDF5") {
  check_counting(test::counting_file({4, 30, 30}, {1, 30, 30}, [](hid_t p) { H5Pset_nbit(p); }));
}

TEST_CASE("A chunk that was never written reads as the fill value") {
  const auto file = test::hdf5_file([](hid_t out) {
    const h5::Properties properties(H5Pcreate(H5P_DATASET_CREATE));
    const std::vector<hsize_t> chunk = {1, 4};
    const std::vector<hsize_t> shape = {3, 4};
    const std::int32_t missing = -7;
    H5Pset_chunk(properties.get(), 2, chunk.data());
    H5Pset_fill_value(properties.get(), H5T_NATIVE_INT32, &missing);
    const h5::Dataspace space(H5Screate_simple(2, shape.data(), nullptr));
    const h5::Dataset dataset(H5Dcreate2(out, "/data", H5T_STD_I32LE, space.get(), H5P_DEFAULT,
                                         properties.get(), H5P_DEFAULT));
    const std::vector<std::int32_t> row = {1, 2, 3, 4};
    const std::vector<hsize_t> at = {1, 0};
    H5Dwrite_chunk(dataset.get(), H5P_DEFAULT, 0, at.data(), 16, row.data());
  });
  const Hdf5Message message(file);
  CHECK(values_of<std::int32_t>(*message.find(image_paths)) ==
        std::vector<std::int32_t>{-7, -7, -7, -7, 1, 2, 3, 4, -7, -7, -7, -7});
}

TEST_CASE("A path that is a group, a link elsewhere or nothing is not a field") {
  const auto file = test::hdf5_file([](hid_t out) {
    const h5::Group group(H5Gcreate2(out, "/data", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Lcreate_external("/etc/hostname", "/", out, "/outside", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/data", out, "/soft", H5P_DEFAULT, H5P_DEFAULT);
  });
  const Hdf5Message message(file);
  const std::vector<std::string> paths = {"",           "/",        "//",   "/data", "/data/data",
                                          "/outside/x", "/outside", "data", "/soft", "/data//x"};
  CHECK_FALSE(message.find(paths).has_value());
}

TEST_CASE("Events of one message can be read by several threads at once") {
  const auto bytes = test::read_bytes(test::captured_messages("hdf5_bszstd_f32_odd").at(0));
  const Hdf5Message message(bytes);
  const auto dataset = message.find(image_paths);
  REQUIRE(dataset);
  const std::vector<std::byte> truth = read_all(*dataset);
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<std::byte> out(dataset->event_bytes());
      for (int i = 0; i < 20; ++i) {
        const Hdf5Message own(bytes);
        const auto field = own.find(image_paths);
        for (std::size_t e = 0; e < field->events(); ++e) {
          field->read_event(e, out);
          if (std::memcmp(out.data(), &truth[e * out.size()], out.size()) != 0) ++wrong;
        }
      }
    });
  }
  threads.clear();
  CHECK(wrong == 0);
}

TEST_CASE("Asking for an event that is not there, or with a buffer of another size, is refused") {
  const auto file = test::counting_file({3, 4}, {1, 4});
  const Hdf5Message message(file);
  const auto dataset = message.find(image_paths);
  std::vector<std::byte> out(16);
  CHECK_THROWS_AS(dataset->read_event(3, out), std::out_of_range);
  CHECK_THROWS_AS(dataset->read_event(0, std::span(out).first(15)), std::invalid_argument);
  CHECK_THROWS_AS(dataset->read_all(out), std::invalid_argument);
}
