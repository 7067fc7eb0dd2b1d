#include "io/cbor_map.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "graph/error.h"

using namespace pnflow;

namespace {

std::vector<std::byte> cbor(const nlohmann::json& json) {
  const auto bytes = nlohmann::json::to_cbor(json);
  const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
  return {data, data + bytes.size()};
}

std::vector<std::byte> raw(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::string refusal(std::span<const std::byte> bytes) {
  try {
    const CborMap map(bytes);
  } catch (const DataError& error) {
    return error.reason();
  }
  return "none";
}

template <class T>
T value(const CborMap& map, std::string_view key) {
  REQUIRE(map.find(key) != nullptr);
  REQUIRE(std::holds_alternative<T>(*map.find(key)));
  return std::get<T>(*map.find(key));
}

}  // namespace

TEST_CASE("numbers, texts and byte strings of a CBOR map are found by their keys") {
  nlohmann::json json = {{"small", 3},         {"large", 1ULL << 63U},
                         {"negative", -5},     {"lowest", std::numeric_limits<std::int64_t>::min()},
                         {"half", 0.5},        {"yes", true},
                         {"nothing", nullptr}, {"text", "88x96"}};
  json["bytes"] = nlohmann::json::binary({1, 2, 255});
  json["inner"] = {{"text", "not this one"}, {"list", {1, 2, {{"deep", 1}}}}};
  json["list"] = {1, 2, 3};
  json["zz_last"] = 7;
  const auto bytes = cbor(json);
  const CborMap map(bytes);
  CHECK(value<std::uint64_t>(map, "small") == 3);
  CHECK(value<std::uint64_t>(map, "large") == 1ULL << 63U);
  CHECK(value<std::int64_t>(map, "negative") == -5);
  CHECK(value<std::int64_t>(map, "lowest") == std::numeric_limits<std::int64_t>::min());
  CHECK(value<double>(map, "half") == 0.5);
  CHECK(value<std::uint64_t>(map, "yes") == 1);
  CHECK(map.text("text") == "88x96");
  CHECK(value<std::span<const std::byte>>(map, "bytes").size() == 3);
  CHECK(value<std::span<const std::byte>>(map, "bytes")[2] == std::byte{255});
  CHECK(value<std::uint64_t>(map, "zz_last") == 7);
  for (const char* absent : {"nothing", "inner", "list", "deep", "never"}) {
    CHECK_MESSAGE(map.find(absent) == nullptr, absent);
  }
  CHECK(map.text("small").empty());
}

TEST_CASE("maps and lists of unknown length, tags and half floats are read") {
  // {_ "a": 1.5 (half), "b": [_ 1, [2]], "c": tag 1 (7)}
  const auto bytes = raw({0xbf, 0x61, 'a', 0xf9, 0x3e, 0x00, 0x61, 'b', 0x9f, 0x01, 0x81, 0x02,
                          0xff, 0x61, 'c', 0xc1, 0x07, 0xff});
  const CborMap map(bytes);
  CHECK(value<double>(map, "a") == 1.5);
  CHECK(map.find("b") == nullptr);
  CHECK(value<std::uint64_t>(map, "c") == 7);
  CHECK(map.entries().size() == 2);
  CHECK(CborMap(raw({0xa0})).entries().empty());
}

TEST_CASE("what is no whole CBOR map is refused, and nothing is allocated for what it claims") {
  CHECK(refusal({}) == "truncated");
  CHECK(refusal(cbor(nlohmann::json::array({1, 2}))) == "damaged metadata");
  CHECK(refusal(cbor(nlohmann::json(3))) == "damaged metadata");
  CHECK(refusal(raw({0xa1, 0x01, 0x02})) == "damaged metadata");        // a key that is 1
  CHECK(refusal(raw({0xa1, 0x81, 0x01, 0x02})) == "damaged metadata");  // a key that is [1]
  CHECK(refusal(raw({0xa0, 0x00})) == "damaged metadata");              // bytes behind it
  CHECK(refusal(raw({0xff})) == "damaged metadata");                    // a stop
  CHECK(refusal(raw({0xbf, 0x61, 'a', 0xff})) == "damaged metadata");   // no value
  CHECK(refusal(raw({0xa1, 0x7f, 0x61, 'a', 0xff, 0x01})) == "damaged metadata");  // in pieces
  CHECK(refusal(raw({0xa1, 0x61, 'a', 0x1c})) == "damaged metadata");  // a reserved byte
  // 2^64 - 1 pairs, and a byte string of 2^60 bytes.
  CHECK(refusal(raw({0xbb, 255, 255, 255, 255, 255, 255, 255, 255, 0x61, 'a', 1})) == "truncated");
  CHECK(refusal(raw({0xa1, 0x61, 'a', 0x5b, 0x10, 0, 0, 0, 0, 0, 0, 0, 1})) == "truncated");
  std::vector<std::byte> deep = raw({0xa1, 0x61, 'a'});
  deep.insert(deep.end(), 100'000, std::byte{0x81});
  CHECK(refusal(deep) == "damaged metadata");
}

TEST_CASE("every truncation and random damage of a CBOR map is refused or read, never worse") {
  nlohmann::json json = {{"type", "image"}, {"list", {1, 2.5, "x"}}, {"timestamp", 7.3e18}};
  json["data"] = nlohmann::json::binary(std::vector<std::uint8_t>(64, 9));
  const auto bytes = cbor(json);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK(refusal(std::span(bytes).first(size)) == "truncated");
  }
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    auto damaged = bytes;
    for (int flips = 0; flips < 3; ++flips) {
      damaged[random() % damaged.size()] = static_cast<std::byte>(random());
    }
    refusal(damaged);
  }
}
