#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "graph/error.h"
#include "io/message_reader.h"
#include "io/simplon_message.h"
#include "io/simplon_series.h"
#include "test/support/messages.h"
#include "test/support/simplon.h"

using namespace pnflow;
using test::simplon;

namespace {

std::vector<std::byte> start(const std::string& run, const std::string& shape = "8x8") {
  return simplon('c', {{"type", "start"},
                       {"run_number", run},
                       {"shape", shape},
                       {"datatype", "float64"},
                       {"algorithm", "bitshuffle-lz4"}});
}

nlohmann::json image_json(const std::string& run) {
  nlohmann::json json = {
      {"type", "image"}, {"run", run}, {"dtype", "float64"}, {"timestamp", 1e18}};
  json["compressed_data"] = nlohmann::json::binary({0, 1, 2, 3});
  return json;
}

std::vector<std::byte> image(const std::string& run) { return simplon('m', image_json(run)); }
std::vector<std::byte> stop(const std::string& run) {
  return simplon('c', {{"type", "stop"}, {"run", run}});
}

std::string refusal(std::span<const std::byte> bytes, const OpenOptions& options) {
  try {
    const auto reader = open_message(bytes, options);
    const auto field = reader->find(reader->usual_names().image);
  } catch (const DataError& error) {
    return error.reason();
  }
  return "none";
}

// What comes out of a series, and whether each image has its start.
struct Stream {
  explicit Stream(std::size_t park) : series(park) {}
  void send(const std::vector<std::byte>& bytes) {
    Batch batch = test::wire_batch(bytes);
    switch (series.take(batch)) {
      case SimplonSeries::Verdict::hand_on: hand_on(batch); break;
      case SimplonSeries::Verdict::control: ++controls; break;
      case SimplonSeries::Verdict::parked: break;
    }
    while (auto free = series.next_free()) hand_on(*free);
  }
  void hand_on(const Batch& batch) {
    const SimplonMessage message(batch.array("wire").raw());
    const Array* start = batch.find("series_start");
    out.push_back(message.run() + (start ? "+" + SimplonMessage(start->raw()).run() : ""));
  }
  using Out = std::vector<std::string>;

  SimplonSeries series;
  Out out;
  int controls = 0;
};

}  // namespace

TEST_CASE("an image without its start message has a shape only where the reader is told one") {
  const auto bytes = image("7");
  CHECK(refusal(bytes, {}) == "no start message");
  const auto begin = start("7");
  OpenOptions with_start;
  with_start.start = begin;
  CHECK(refusal(bytes, with_start) == "none");
  OpenOptions with_shape;
  with_shape.shape = {4, 5};
  const auto reader = open_message(bytes, with_shape);
  CHECK(reader->format() == "Simplon");
  const auto field = reader->find(reader->usual_names().image);
  CHECK(field->shape() == Shape{1, 4, 5});
  CHECK(field->dtype() == DType::f64);
}

TEST_CASE("the shape of a start message is HxW or CxHxW and nothing else") {
  const auto shape_of = [](const std::string& text) {
    const auto bytes = start("7", text);
    return SimplonMessage(bytes).image_shape();
  };
  CHECK(shape_of("88x96") == Shape{88, 96});
  CHECK(shape_of("4x88x96") == Shape{4, 88, 96});
  for (const char* text : {"", "88", "88x", "x88", "0x96", "88x96x", "1x2x3x4", "88 x 96", "-1x5",
                           "88xx96", "99999999999999999999x2"}) {
    CHECK_THROWS_AS_MESSAGE(shape_of(text), DataError, text);
  }
}

TEST_CASE("a Simplon image that cannot be what it says is refused for its reason") {
  const auto begin = start("7");
  OpenOptions options;
  options.start = begin;
  auto json = image_json("7");
  json["dtype"] = "complex64";
  CHECK(refusal(simplon('m', json), options) == "wrong dtype");
  json = image_json("7");
  json["compressed_data"] = "text";
  CHECK(refusal(simplon('m', json), options) == "wrong dtype");
  json = image_json("7");
  json.erase("compressed_data");
  const auto without = simplon('m', json);
  const auto reader = open_message(without, options);
  CHECK(reader->find(reader->usual_names().image) == nullptr);
  json["type"] = "picture";
  CHECK(refusal(simplon('m', json), options) == "damaged metadata");
  // 2^60 elements out of four bytes.
  const auto huge = start("7", "1073741824x1073741824");
  options.start = huge;
  CHECK(refusal(image("7"), options) == "implausible size");
  const auto overflowing = start("7", "4294967296x4294967296x4294967296");
  options.start = overflowing;
  CHECK(refusal(image("7"), options) == "implausible size");
  const auto other = simplon('c', {{"type", "start"}, {"shape", "8x8"}, {"algorithm", "lz4"}});
  options.start = other;
  CHECK(refusal(image("7"), options) == "unknown filter");
}

TEST_CASE("images wait for the start message of their own series") {
  Stream stream(4);
  stream.send(image("7"));
  stream.send(image("7"));
  stream.send(image("8"));
  CHECK(stream.out.empty());
  CHECK(stream.series.parked() == 3);
  stream.send(start("7"));
  CHECK(stream.out == Stream::Out{"7+7", "7+7"});
  stream.send(image("7"));
  stream.send(start("8"));
  CHECK(stream.out == Stream::Out{"7+7", "7+7", "7+7", "8+8"});
  CHECK(stream.controls == 2);
}

TEST_CASE("a rank that goes on sending after the stop keeps its series' start message") {
  Stream stream(4);
  stream.send(start("7"));
  stream.send(stop("7"));
  CHECK(stream.series.stopped());
  stream.send(image("7"));
  CHECK(stream.series.stopped());
  stream.send(start("8"));
  CHECK_FALSE(stream.series.stopped());
  stream.send(stop("7"));  // of the series before, from a slow rank
  CHECK_FALSE(stream.series.stopped());
  stream.send(image("7"));
  stream.send(image("8"));
  CHECK(stream.out == Stream::Out{"7+7", "7+7", "8+8"});
}

TEST_CASE("the oldest of too many waiting images goes on without a start, and in the end all do") {
  Stream stream(2);
  for (const char* run : {"1", "2", "3"}) stream.send(image(run));
  CHECK(stream.out == Stream::Out{"1"});
  stream.series.release();
  while (auto free = stream.series.next_free()) stream.hand_on(*free);
  CHECK(stream.out == Stream::Out{"1", "2", "3"});
  Stream never(0);
  never.send(image("7"));
  CHECK(never.out == Stream::Out{"7"});
}

TEST_CASE("what is no Simplon message, or a damaged one, is handed on as it is") {
  SimplonSeries series(4);
  auto damaged = image("7");
  damaged.resize(damaged.size() - 2);
  Batch cut = test::wire_batch(damaged);
  CHECK(series.take(cut) == SimplonSeries::Verdict::hand_on);
  Batch other = test::wire_batch(test::read_bytes(test::captured_messages("hdf5_none_f32")[0]));
  CHECK(series.take(other) == SimplonSeries::Verdict::hand_on);
  CHECK(other.has("wire"));
}
