#include "nodes/decode.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <random>

#include "graph/error.h"
#include "graph/fake_run.h"
#include "io/hdf5_image.h"
#include "io/hdf5_layout.h"
#include "io/hdf5_message_writer.h"
#include "io/simplon_series.h"
#include "test/support/messages.h"
#include "test/support/npz.h"
#include "test/support/simplon.h"

using namespace pnflow;

namespace {

using Bytes = std::vector<std::byte>;

class CountingServices : public test::FakeServices {
 public:
  void count(std::string_view counter, std::uint64_t n) override {
    counts[std::string(counter)] += n;
  }
  std::map<std::string, std::uint64_t> counts;
};

// One message through one decoder, and what became of it.
struct Decoded {
  explicit Decoded(const Batch& message, Decode::Params params = {}) {
    const Decode decode(std::move(params));
    batch = decode.process(message, context);
  }
  explicit Decoded(const Bytes& bytes, Decode::Params params = {})
      : Decoded(test::wire_batch(bytes), std::move(params)) {}
  std::vector<std::string> fates() const {
    std::vector<std::string> fates;
    for (const EventState& state : *context.states()) {
      fates.push_back(state.fate == Fate::alive ? "alive" : state.reason);
    }
    return fates;
  }

  CountingServices services;
  Context context{services, "socket", 0, nullptr};
  Batch batch;
};

std::string refusal(const Bytes& bytes, Decode::Params params = {}) {
  try {
    const Decoded decoded(bytes, std::move(params));
  } catch (const DataError& error) {
    return error.reason();
  }
  return "accepted";
}

// A message like LCLStreamer's: (3, 2, 8, 10) uint16, pixel i of the array is i.
struct Sample {
  Shape shape{3, 2, 8, 10};
  std::vector<std::uint16_t> pixels = std::vector<std::uint16_t>(480);
  std::vector<std::uint64_t> timestamp{1ULL << 32U, 2ULL << 32U, 3ULL << 32U};
  std::vector<double> wavelength{1.25, 1.5, 1.75};
  Hdf5Compression compression = Hdf5Compression::gzip;

  Sample() { std::iota(pixels.begin(), pixels.end(), std::uint16_t{0}); }
  std::vector<NamedArray> fields() const {
    return {
        {"/data/data", DType::u16, shape, std::as_bytes(std::span(pixels))},
        {"/data/timestamp", DType::u64, {timestamp.size()}, std::as_bytes(std::span(timestamp))},
        {"/data/wavelength",
         DType::f64,
         {wavelength.size()},
         std::as_bytes(std::span(wavelength))}};
  }
  Bytes bytes() const { return write_hdf5_message(fields(), compression); }
};

template <class T>
NamedArray field(std::string path, const std::vector<T>& values) {
  return {std::move(path), dtype_of<T>, {values.size()}, std::as_bytes(std::span(values))};
}

// Overwrites the middle of the chunk that holds `event`.
void damage_chunk(Bytes& bytes, const std::string& path, std::size_t event) {
  StoredChunk chunk;
  {
    const Hdf5Image image(bytes);
    const h5::Dataset dataset(H5Dopen2(image.file(), path.c_str(), H5P_DEFAULT));
    chunk = read_layout(dataset.get(), path, bytes).chunks.at(event);
  }
  const std::size_t middle = chunk.offset + chunk.size / 2;
  for (std::size_t i = 0; i < 4; ++i) bytes.at(middle + i) ^= std::byte{0xff};
}

template <class T>
std::vector<T> values_of(const Array& array) {
  const auto span = array.as<T>();
  return {span.begin(), span.end()};
}

struct CapturedSet {
  std::string name;
  Decode::Params params;
};

std::vector<CapturedSet> captured_sets() {
  std::vector<CapturedSet> sets;
  for (const char* name :
       {"hdf5_bslz4_f32_panels", "hdf5_bslz4_i16_odd", "hdf5_bslz4_u16_panels",
        "hdf5_bszstd_f32_odd", "hdf5_bszstd_u16_panels", "hdf5_epix10k2m_bslz4_u16",
        "hdf5_gzip_f32_panels", "hdf5_gzip_f64_default", "hdf5_gzip_shuffle_u16_panels",
        "hdf5_missing_wavelength", "hdf5_none_f32", "hdf5_none_u16_panels",
        "hdf5_psana1_no_wavelength", "hdf5_three_ranks", "hdf5_zfp_f32_panels", "hdf5_zfp_f64_mfx",
        "hdf5_zfp_i32"}) {
    sets.push_back({name, {}});
  }
  CapturedSet center{"hdf5_peaknet_center_f32", {}};
  center.params.padding = ProducerPadding::center;
  center.params.shape = {85, 93};
  CapturedSet original{"hdf5_peaknet_original_shape", {}};
  original.params.padding = ProducerPadding::center;
  sets.push_back(center);
  sets.push_back(original);
  CapturedSet merged{"npz_deflate_merged_u16", {}};
  merged.params.padding = ProducerPadding::bottom_right;
  sets.push_back(merged);
  CapturedSet stored{"npz_stored_center_f32", {}};
  stored.params.padding = ProducerPadding::center;
  sets.push_back(stored);
  for (const char* name : {"npz_timestamp_string", "npz_timestamp_f64_packed"}) {
    sets.push_back({name, {}});
    sets.back().params.padding = ProducerPadding::center;
    sets.back().params.shape = {85, 93};
  }
  for (const char* name : {"npz_deflate_batch_f32", "npay_none_u16", "simplon_f64_odd",
                           "simplon_f64_panels", "simplon_batch3", "simplon_two_ranks"}) {
    sets.push_back({name, {}});
  }
  return sets;
}

}  // namespace

// The messages of a set as a source hands them on: Simplon images with their start message.
std::vector<Batch> raw_messages(const std::string& set) {
  SimplonSeries series(64);
  std::vector<Batch> messages;
  for (const std::string& path : test::captured_messages(set)) {
    Batch message = test::wire_batch(test::read_bytes(path));
    if (series.take(message) == SimplonSeries::Verdict::hand_on) messages.push_back(message);
    while (auto free = series.next_free()) messages.push_back(*free);
  }
  return messages;
}

TEST_CASE("every captured message decodes to what LCLStreamer put in") {
  for (const CapturedSet& set : captured_sets()) {
    CAPTURE(set.name);
    const auto expected =
        test::read_npz(PNFLOW_TEST_DATA "/lclstreamer/" + set.name + "/expected.npz");
    const auto& images =
        expected.contains("images_decoded") ? expected.at("images_decoded") : expected.at("images");
    const auto timestamps = expected.at("timestamp_u64").as<std::uint64_t>();
    const std::size_t event_bytes = images.bytes.size() / images.shape[0];
    std::size_t first = 0;
    for (const Batch& message : raw_messages(set.name)) {
      const Decoded decoded(message, set.params);
      const Batch& batch = decoded.batch;
      CHECK_FALSE(batch.has("wire"));
      CHECK_FALSE(batch.has("series_start"));
      CHECK(decoded.context.alive_count() == batch.events());
      const Array& image = batch.array("image");
      Shape shape = images.shape;
      shape[0] = batch.events();
      REQUIRE(image.shape() == shape);
      REQUIRE(first + batch.events() <= images.shape[0]);
      CHECK(std::memcmp(image.raw().data(), images.bytes.data() + first * event_bytes,
                        image.bytes()) == 0);
      const auto found = batch.array("timestamp").as<std::uint64_t>();
      for (std::size_t i = 0; i < batch.events(); ++i) CHECK(found[i] == timestamps[first + i]);
      CHECK(batch.has("wavelength") == expected.contains("wavelength"));
      if (expected.contains("wavelength")) {
        const auto wavelengths = expected.at("wavelength").as<double>();
        for (std::size_t i = 0; i < batch.events(); ++i) {
          const double wavelength = wavelengths[first + i];
          const double energy = batch.array("photon_energy").as<double>()[i];
          if (std::isnan(wavelength)) {
            CHECK(std::isnan(batch.array("wavelength").as<double>()[i]));
            CHECK(std::isnan(energy));
          } else {
            CHECK(batch.array("wavelength").as<double>()[i] == wavelength);
            CHECK(energy == doctest::Approx(12398.4193 / wavelength).epsilon(1e-12));
          }
        }
      }
      first += batch.events();
    }
    CHECK(first == images.shape[0]);
  }
}

TEST_CASE("a missing wavelength is counted, and a field that never was is said once") {
  const Decoded missing(test::read_bytes(test::captured_messages("hdf5_missing_wavelength").at(0)));
  CHECK(missing.services.counts.at("missing_wavelength") == 1);
  CHECK(missing.context.alive_count() == 3);
  const auto files = test::captured_messages("hdf5_psana1_no_wavelength");
  const Decode decode({});
  CountingServices services;
  for (const std::string& file : files) {
    Context context(services, "socket", 0, nullptr);
    CHECK_FALSE(
        decode.process(test::wire_batch(test::read_bytes(file)), context).has("photon_energy"));
  }
  std::size_t said = 0;
  for (const auto& line : services.lines()) {
    said += line.find("no wavelength (looked for /data/wavelength, /wavelength)") != line.npos;
  }
  CHECK(said == 1);
}

TEST_CASE("a damaged chunk of pixels costs its event and no other") {
  Sample sample;
  Bytes bytes = sample.bytes();
  damage_chunk(bytes, "/data/data", 1);
  const Decoded decoded(bytes);
  CHECK(decoded.fates() == std::vector<std::string>{"alive", "damaged chunk", "alive"});
  const auto pixels = values_of<std::uint16_t>(decoded.batch.array("image"));
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    REQUIRE(pixels[i] == (i / 160 == 1 ? 0 : sample.pixels[i]));
  }
  CHECK(values_of<std::uint64_t>(decoded.batch.array("timestamp")) == sample.timestamp);
  CHECK(decoded.services.line_with("event 1: failed: damaged chunk: /data/data")
            .find("damaged chunk: damaged chunk") == std::string::npos);
}

TEST_CASE("a damaged time stamp fails its event, a damaged wavelength only goes missing") {
  Sample sample;
  Bytes bytes = sample.bytes();
  damage_chunk(bytes, "/data/timestamp", 2);
  damage_chunk(bytes, "/data/wavelength", 0);
  const Decoded decoded(bytes);
  CHECK(decoded.fates() == std::vector<std::string>{"alive", "alive", "damaged chunk"});
  const auto wavelength = values_of<double>(decoded.batch.array("wavelength"));
  CHECK(std::isnan(wavelength[0]));
  CHECK(wavelength[1] == 1.5);
  CHECK(std::isnan(decoded.batch.array("photon_energy").as<double>()[0]));
  CHECK(decoded.services.counts.at("missing_wavelength") == 1);
  CHECK(decoded.batch.array("timestamp").as<std::uint64_t>()[1] == sample.timestamp[1]);
}

TEST_CASE("one damaged panel of a merged message fails the event that it belongs to") {
  Sample sample;
  sample.shape = {6, 1, 8, 10};
  Bytes bytes = sample.bytes();
  damage_chunk(bytes, "/data/data", 3);
  Decode::Params params;
  params.shape = {2, 8, 10};
  const Decoded decoded(bytes, params);
  CHECK(decoded.fates() == std::vector<std::string>{"alive", "damaged chunk", "alive"});
  CHECK(decoded.batch.array("image").shape() == Shape{3, 2, 8, 10});
  CHECK(decoded.batch.array("image").as<std::uint16_t>()[479] == 479);
}

TEST_CASE("what is no message that can be read is refused by name") {
  const auto text = [](std::string_view s) {
    const auto* data = reinterpret_cast<const std::byte*>(s.data());
    return Bytes(data, data + s.size());
  };
  CHECK(refusal(text("PK\x03\x04 and so on")) == "truncated");
  CHECK(refusal(text("YAPN\x01")) == "truncated");
  CHECK(refusal(text("m\xa7")) == "truncated");
  CHECK(refusal(text("c\xb9")) == "truncated");
  CHECK(refusal(text("message")) == "unknown format");
  CHECK(refusal(text("x")) == "unknown format");
  Bytes bytes = Sample().bytes();
  bytes.resize(bytes.size() / 2);
  CHECK(refusal(bytes) == "truncated");
  try {
    const Decoded decoded(text("hello"));
    FAIL("accepted");
  } catch (const DataError& error) {
    CHECK(std::string(error.what()).find("68 65 6c 6c 6f") != std::string::npos);
  }
}

TEST_CASE("a message whose fields do not fit together is unreadable") {
  Sample sample;
  sample.timestamp.pop_back();
  CHECK(refusal(sample.bytes()) == "wrong shape");
  const std::vector<std::uint8_t> small(12, 1);
  const NamedArray bytes_image{"/data/data", DType::u8, {1, 3, 4}, std::as_bytes(std::span(small))};
  CHECK(refusal(write_hdf5_message(std::span(&bytes_image, 1), Hdf5Compression::none)) ==
        "wrong dtype");
  const NamedArray elsewhere{"/entry/data", DType::u8, {1, 3, 4}, std::as_bytes(std::span(small))};
  CHECK(refusal(write_hdf5_message(std::span(&elsewhere, 1), Hdf5Compression::none)) ==
        "missing image");
  Decode::Params params;
  params.shape = {2, 8, 11};
  CHECK(refusal(Sample().bytes(), params) == "wrong shape");
  params = {};
  params.padding = ProducerPadding::center;
  CHECK(refusal(Sample().bytes(), params) == "no original shape");
  params = {};
  params.max_decoded = ByteSize{959};
  CHECK(refusal(Sample().bytes(), params) == "implausible size");
  params.max_decoded = ByteSize{960};
  CHECK(refusal(Sample().bytes(), params) == "accepted");
}

TEST_CASE("a message without events is refused") {
  const Bytes bytes = test::counting_file({0, 4, 4}, {1, 4, 4});
  CHECK(refusal(bytes) == "no events");
}

TEST_CASE("merged and padded panels are taken apart by the original shape of the message") {
  Sample sample;  // 2 events of 3 panels of 5x7, padded to 8x10 at bottom and right, merged
  sample.shape = {6, 1, 8, 10};
  sample.timestamp.pop_back();
  sample.wavelength.pop_back();
  auto fields = sample.fields();
  const std::vector<std::int32_t> original{2, 3, 5, 7};
  fields.push_back(field("/data/original_shape", original));
  const Bytes bytes = write_hdf5_message(fields, Hdf5Compression::bitshuffle_lz4);
  Decode::Params params;
  params.padding = ProducerPadding::bottom_right;
  const Decoded decoded(bytes, params);
  const Array& image = decoded.batch.array("image");
  REQUIRE(image.shape() == Shape{2, 3, 5, 7});
  for (std::size_t i = 0; i < image.elements(); ++i) {
    const std::size_t panel = i / 35, row = i % 35 / 7, column = i % 7;
    REQUIRE(image.as<std::uint16_t>()[i] == panel * 80 + row * 10 + column);
  }
  // Without `padding` the panels are put together, and the padding is mentioned.
  const Decoded padded(bytes);
  CHECK(padded.batch.array("image").shape() == Shape{2, 3, 8, 10});
  CHECK_FALSE(padded.services.line_with("set 'padding'").empty());
}

TEST_CASE("decode takes names of fields, encoder, photon energy and all forms of time stamps") {
  Sample sample;
  auto fields = sample.fields();
  fields[0].name = "/entry/images";
  const std::vector<double> seconds{1700000000.25, 7301444403200000000.0, std::nan("")};
  const std::vector<float> encoder{1.5F, 2.5F, 3.5F};
  const std::vector<double> energy{9000, 9500, std::nan("")};
  fields[1] = field("/entry/time", seconds);
  fields[2] = field("/entry/energy", energy);
  fields.push_back(field("/entry/encoder", encoder));
  Decode::Params params;
  params.fields.image = {"/data/data", "/entry/images"};
  params.fields.timestamp = {"/entry/time"};
  params.fields.encoder = {"/entry/encoder"};
  params.fields.photon_energy = {"/entry/energy"};
  params.normalized = true;
  const Decoded decoded(write_hdf5_message(fields, Hdf5Compression::none), params);
  const Batch& batch = decoded.batch;
  const auto timestamp = values_of<std::uint64_t>(batch.array("timestamp"));
  CHECK(timestamp[0] == (std::uint64_t{1700000000} << 32U) + 250000000U);
  CHECK((timestamp[1] >> 32U) == (7301444403200000000U >> 32U));
  CHECK(timestamp[2] == 0);
  CHECK(decoded.services.counts.at("missing_timestamp") == 1);
  CHECK(values_of<double>(batch.array("encoder")) == std::vector<double>{1.5, 2.5, 3.5});
  CHECK(batch.array("photon_energy").as<double>()[1] == 9500);
  CHECK(batch.array("wavelength").as<double>()[1] == doctest::Approx(12398.4193 / 9500));
  CHECK(std::isnan(batch.array("wavelength").as<double>()[2]));
  REQUIRE(batch.attribute("normalized"));
  CHECK(std::get<bool>(*batch.attribute("normalized")));
}

TEST_CASE("a change of shape in mid-run is decoded and said") {
  const Decode decode({});
  CountingServices services;
  const auto send = [&](const Bytes& bytes) {
    Context context(services, "socket", 0, nullptr);
    return decode.process(test::wire_batch(bytes), context).array("image").shape();
  };
  Sample wide;
  wide.shape = {3, 1, 8, 20};
  CHECK(send(Sample().bytes()) == Shape{3, 2, 8, 10});
  CHECK(send(Sample().bytes()) == Shape{3, 2, 8, 10});
  CHECK(send(wide.bytes()) == Shape{3, 1, 8, 20});
  REQUIRE(services.lines().size() == 2);
  CHECK(services.lines()[1] == "images have changed from 2x8x10 uint16 to 1x8x20 uint16");
}

TEST_CASE("decode writes into the pool that the run gives it") {
  struct Pool : MemoryPool {
    std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
      auto block = heap_pool()->allocate(bytes);
      blocks.push_back(block.get());
      return block;
    }
    std::vector<const std::byte*> blocks;
  };
  struct PoolServices : CountingServices {
    MemoryPool& pool() override { return blocks; }
    Pool blocks;
  } services;
  Context context(services, "socket", 0, nullptr);
  const Batch batch = Decode({}).process(test::wire_batch(Sample().bytes()), context);
  const auto* pixels = batch.array("image").raw().data();
  CHECK(std::ranges::count(services.blocks.blocks, pixels) == 1);
}

TEST_CASE("random damage never does worse than to fail events or refuse the message") {
  std::mt19937_64 random(7);
  std::map<std::string, int> outcomes;
  const auto attempt = [&](const Bytes& bytes) {
    try {
      const Decoded decoded(bytes);
      ++outcomes[decoded.context.alive_count() == decoded.batch.events() ? "alive"
                                                                         : "event failed"];
    } catch (const DataError&) {
      ++outcomes["refused"];
    }
  };
  for (const auto compression :
       {Hdf5Compression::none, Hdf5Compression::gzip, Hdf5Compression::bitshuffle_lz4}) {
    Sample sample;
    sample.compression = compression;
    const Bytes good = sample.bytes();
    for (int i = 0; i < 200; ++i) {
      Bytes bad = good;
      const std::size_t flips = 1 + random() % 8;
      for (std::size_t k = 0; k < flips; ++k) {
        bad[random() % bad.size()] ^= static_cast<std::byte>(1U << random() % 8);
      }
      attempt(bad);
    }
    for (int i = 0; i < 30; ++i) {
      attempt({good.begin(), good.begin() + static_cast<long>(random() % good.size())});
    }
  }
  for (int i = 0; i < 100; ++i) {
    Bytes noise(random() % 300 + 1);
    for (std::byte& byte : noise) byte = static_cast<std::byte>(random());
    attempt(noise);
  }
  CHECK(outcomes["refused"] > 100);
  CHECK(outcomes["event failed"] > 10);
  CHECK(outcomes["alive"] > 10);
}

TEST_CASE("a part of a file is decoded as these events and no others") {
  Sample sample;
  const Bytes file = sample.bytes();
  Batch message = test::wire_batch(file);
  message.set_attribute("first_event", std::int64_t{1});
  message.set_attribute("event_count", std::int64_t{2});
  message.set_attribute("file", std::string("run.h5"));
  const Decoded decoded(message);
  CHECK(decoded.batch.events() == 2);
  CHECK(values_of<std::uint64_t>(decoded.batch.array("timestamp")) ==
        std::vector<std::uint64_t>{2ULL << 32U, 3ULL << 32U});
  CHECK(decoded.batch.array("image").as<std::uint16_t>()[0] == 160);
  Bytes damaged = file;
  damage_chunk(damaged, "/data/data", 2);
  Batch part = test::wire_batch(damaged);
  for (const char* name : {"first_event", "event_count", "file"}) {
    part.set_attribute(name, *message.attribute(name));
  }
  const Decoded second(part);
  CHECK(second.fates() == std::vector<std::string>{"alive", "damaged chunk"});
  CHECK_FALSE(second.services.line_with("run.h5 //2: ").empty());
  message.set_attribute("event_count", std::int64_t{3});
  CHECK_THROWS_AS(Decoded{message}, DataError);
}

TEST_CASE("labels, masks and ids of a message become fields where they are asked for") {
  Sample sample;
  std::vector<std::uint8_t> label(480);
  std::iota(label.begin(), label.end(), std::uint8_t{0});
  std::vector<std::int32_t> mask(160, 0);
  mask[3] = -7;
  const std::vector<std::uint32_t> ids{7, 8, 4'000'000'000};
  auto fields = sample.fields();
  fields.push_back({"/truth/label", DType::u8, sample.shape, std::as_bytes(std::span(label))});
  fields.push_back({"/mask", DType::i32, {16, 10}, std::as_bytes(std::span(mask))});
  fields.push_back(field("/ids", ids));
  const Bytes bytes = write_hdf5_message(fields, Hdf5Compression::gzip);
  const Decoded plain(bytes);
  for (const char* name : {"label", "mask", "id"}) CHECK_FALSE(plain.batch.has(name));
  Decode::Params params;
  params.fields.label = {"/truth/label"};
  params.fields.mask = {"/nowhere", "/mask"};
  params.fields.id = {"/ids"};
  const Decoded decoded(bytes, params);
  CHECK(decoded.batch.array("label").shape() == sample.shape);
  CHECK(values_of<std::uint8_t>(decoded.batch.array("label")) == label);
  CHECK(decoded.batch.array("mask").shape() == Shape{2, 8, 10});
  std::vector<std::uint8_t> bad(160, 0);
  bad[3] = 1;
  CHECK(values_of<std::uint8_t>(decoded.batch.array("mask")) == bad);
  CHECK(values_of<std::int64_t>(decoded.batch.array("id")) ==
        std::vector<std::int64_t>{7, 8, 4'000'000'000});
  params.fields.label = {"/ids"};
  CHECK_THROWS_AS((Decoded{bytes, params}), DataError);
  params.fields.label = {};
  params.fields.mask = {"/data/wavelength"};
  CHECK_THROWS_AS((Decoded{bytes, params}), DataError);
}
