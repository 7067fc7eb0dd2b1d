// The writers beside HDF5's, against messages that LCLStreamer itself has sent and against what
// their formats say. That NumPy and cbor2 read them is seen in test/clients/test_push_formats.py.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/codecs.h"
#include "io/event_messages.h"
#include "io/npay_message_writer.h"
#include "io/npz_message_writer.h"
#include "io/simplon_message_writer.h"
#include "test/support/messages.h"

namespace pnflow {
namespace {

using Bytes = std::vector<std::byte>;

Bytes captured(const std::string& set, std::size_t number) {
  return test::read_bytes(test::captured_messages(set).at(number));
}

// Where `text` is in the bytes; their size when it is not there.
std::size_t find(const Bytes& bytes, std::string_view text, std::size_t from = 0) {
  const auto wanted = std::as_bytes(std::span(text));
  const auto at = std::search(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end(),
                              wanted.begin(), wanted.end());
  return static_cast<std::size_t>(at - bytes.begin());
}

TEST_CASE("a NPAY message is the bytes that LCLStreamer sends for the same arrays") {
  const Bytes sent = captured("npay_none_u16", 0);
  const auto array = [&](const char* name, DType dtype, Shape shape, std::size_t at) {
    const std::size_t size = elements_of(shape) * size_of(dtype);
    return NamedArray{name, dtype, std::move(shape), std::span(sent).subspan(at, size)};
  };
  // Where the data are in that message: 12 bytes, then 4 + 15 + 4 + 3 + 4 + 8 + 17 to the first.
  constexpr std::size_t pixels = std::size_t{3} * 4 * 88 * 96 * 2;
  const std::size_t image_at = 12 + 55 + 24 + (4 + 10 + 4 + 3 + 4 + 32 + 17);
  const std::size_t wavelength_at = image_at + pixels + (4 + 16 + 4 + 3 + 4 + 8 + 17);
  const std::vector<NamedArray> arrays = {
      array("/data/timestamp", DType::f64, {3}, 12 + 55),
      array("/data/data", DType::u16, {3, 4, 88, 96}, image_at),
      array("/data/wavelength", DType::f64, {3}, wavelength_at)};
  CHECK(write_npay_message(arrays) == sent);
}

TEST_CASE("Simplon's messages are the bytes that LCLStreamer sends") {
  const Bytes start = captured("simplon_f64_panels", 0), stop = captured("simplon_f64_panels", 5);
  double sent = 0, stopped = 0;  // the last eight bytes, big endian
  const auto last_number = [](const Bytes& bytes) {
    Bytes tail(bytes.rbegin(), bytes.rbegin() + 8);
    double value = 0;
    std::memcpy(&value, tail.data(), sizeof(value));
    return value;
  };
  sent = last_number(start);
  stopped = last_number(stop);
  CHECK(write_simplon_start({.run_number = "7",
                             .start_time = "7301444403200000000",
                             .beamline = "PNF",
                             .experiment = "pnflow01",
                             .polarization_fraction = 0.99,
                             .data_collection_rate = "120Hz",
                             .shape = {4, 88, 96},
                             .detector = {.name = "epix10k2M",
                                          .id = "pnflow_0001",
                                          .geometry = "# a geometry text\nHEADER pnflow\n",
                                          .pixel_coords = {}},
                             .timestamp = sent}) == start);
  CHECK(write_simplon_stop("7", stopped) == stop);

  for (const std::size_t number : {1U, 2U, 3U, 4U}) {
    const Bytes image = captured("simplon_f64_panels", number);
    // compressed_data, then a byte string whose length has two bytes.
    const std::size_t at = find(image, "compressed_data") + 15 + 3;
    const std::size_t size = find(image, "beam_direction") - 1 - at;
    Bytes pixels(std::size_t{4} * 88 * 96 * 8);
    codecs::bitshuffle_decode(std::span(image).subspan(at, size), 8, 4096,
                              codecs::BitshuffleCompressor::lz4, pixels);
    CHECK(write_simplon_image({.run = "7",
                               .pixels = pixels,
                               .beam = SimplonBeam{.angle_x = 0.01,
                                                   .angle_y = -0.02,
                                                   .position_x = 0.3,
                                                   .position_y = -0.4,
                                                   .photon_energy = 9499.0 + double(number)},
                               .timestamp = last_number(image)}) == image);
  }
}

TEST_CASE("a Simplon image of an odd number of pixels and without a beam") {
  const Bytes image = captured("simplon_f64_odd", 1);
  const std::size_t at = find(image, "compressed_data") + 15 + 3;
  const std::size_t size = find(image, "dtype", at) - 1 - at;
  Bytes pixels(std::size_t{85} * 93 * 8);
  codecs::bitshuffle_decode(std::span(image).subspan(at, size), 8, 4096,
                            codecs::BitshuffleCompressor::lz4, pixels);
  Bytes written = write_simplon_image({.run = "7", .pixels = pixels, .beam = {}});
  // The time of the event is at the end.
  REQUIRE(written.size() == image.size());
  CHECK(std::equal(written.begin(), written.end() - 8, image.begin()));
}

TEST_CASE("a stored npz message is the bytes that LCLStreamer sends for the same arrays") {
  const Bytes sent = captured("npz_stored_center_f32", 0);
  const auto array = [&](const std::string& name, DType dtype, Shape shape) {
    // Behind the name the zip64 field of 20 bytes, then NumPy's header of 128.
    const std::size_t at = find(sent, name + ".npy") + name.size() + 4 + 20 + 128;
    const std::size_t size = elements_of(shape) * size_of(dtype);
    return NamedArray{name, dtype, std::move(shape), std::span(sent).subspan(at, size)};
  };
  const std::vector<NamedArray> arrays = {array("timestamp", DType::u64, {2}),
                                          array("detector_data", DType::f32, {2, 2, 96, 104}),
                                          array("photon_wavelength", DType::f64, {2}),
                                          array("detector_data_original_shape", DType::i32, {4})};
  CHECK(write_npz_message(arrays, NpzCompression::stored) == sent);
}

TEST_CASE("npz messages hold what was put in, stored and deflated, for every dtype") {
  std::mt19937 random(5);
  for (const auto compression : {NpzCompression::stored, NpzCompression::deflate}) {
    for (const DType dtype :
         {DType::u8, DType::i16, DType::u16, DType::i32, DType::f32, DType::f64, DType::u64}) {
      const Shape shape = {3, 2, 17, 31};
      Bytes pixels(elements_of(shape) * size_of(dtype));
      for (std::byte& byte : pixels) byte = static_cast<std::byte>(random() % 4);
      const std::vector<std::uint64_t> times = {1, 2, std::uint64_t{7} << 32U};
      const std::vector<NamedArray> arrays = {
          {"detector_data", dtype, shape, pixels},
          {"timestamp", DType::u64, {3}, test::bytes_of(times)}};
      const Bytes bytes = write_npz_message(arrays, compression);
      CHECK(bytes == write_npz_message(arrays, compression));
      CHECK(find(bytes, "PK\x03\x04-") == 0);
      if (compression == NpzCompression::stored) {
        const std::string_view data(reinterpret_cast<const char*>(pixels.data()), pixels.size());
        CHECK((find(bytes, data) - (30 + 17 + 20)) % 64 == 0);
      } else {
        CHECK(bytes.size() < pixels.size());
      }
    }
  }
}

TEST_CASE("arrays that cannot be written are refused, whatever the format") {
  const std::vector<std::uint16_t> pixels(12);
  const auto data = test::bytes_of(pixels);
  using Arrays = std::vector<NamedArray>;
  for (const Arrays& wrong :
       {Arrays{{"a", DType::u16, {3, 5}, data}}, Arrays{{"a", DType::u16, {}, data}},
        Arrays{{"a", DType::u16, {0, 4}, {}}}}) {
    CHECK_THROWS_AS(write_npz_message(wrong, NpzCompression::stored), std::invalid_argument);
    CHECK_THROWS_AS(write_npay_message(wrong), std::invalid_argument);
  }
  const NamedArray good{"a", DType::u16, {3, 4}, data};
  CHECK_NOTHROW(write_npz_message(Arrays{good}, NpzCompression::stored));
  CHECK_THROWS_AS(write_npz_message(Arrays{good, good}, NpzCompression::stored),
                  std::invalid_argument);
}

TEST_CASE("events are written in every format with the compressions that it has") {
  using F = MessageFormat;
  using C = MessageCompression;
  const std::vector<std::uint16_t> pixels(2 * 8 * 8, 3);
  const std::vector<std::uint64_t> times = {std::uint64_t{5} << 32U, std::uint64_t{6} << 32U};
  const std::vector<double> wavelengths = {1.3, std::numeric_limits<double>::quiet_NaN()};
  const EventArrays two{DType::u16, {2, 8, 8}, test::bytes_of(pixels), times, wavelengths};
  const EventArrays one{DType::u16,
                        {1, 8, 8},
                        test::bytes_of(pixels).first(128),
                        std::span(times).first(1),
                        std::span(wavelengths).first(1)};
  std::string can;
  for (const F format : {F::hdf5, F::npz, F::simplon, F::npay}) {
    CHECK(can_compress(format, usual_compression(format)));
    for (const C compression : {C::none, C::deflate, C::bitshuffle_lz4}) {
      can += can_compress(format, compression) ? '+' : '-';
      const EventArrays& events = format == F::simplon ? one : two;
      if (can_compress(format, compression)) {
        CHECK(!write_event_message(format, compression, events).empty());
      } else {
        CHECK_THROWS_AS(write_event_message(format, compression, events), std::invalid_argument);
      }
    }
    can += ' ';
  }
  CHECK(can == "+++ ++- --+ +-- ");
  CHECK_THROWS_AS(write_event_message(F::simplon, C::bitshuffle_lz4, two), std::invalid_argument);
  EventArrays without = two;
  without.wavelengths = {};
  without.timestamps = {};
  for (const char* name : {"timestamp", "wavelength"}) {
    const Bytes with = write_event_message(F::npay, C::none, two);
    CHECK(find(with, name) < with.size());
    const Bytes bytes = write_event_message(F::npay, C::none, without);
    CHECK(find(bytes, name) == bytes.size());
  }
  EventArrays wrong = two;
  wrong.timestamps = wrong.timestamps.first(1);
  CHECK_THROWS_AS(write_event_message(F::npz, C::none, wrong), std::invalid_argument);
  wrong = two;
  wrong.shape = {2, 8, 9};
  CHECK_THROWS_AS(write_event_message(F::npz, C::none, wrong), std::invalid_argument);
}

}  // namespace
}  // namespace pnflow
