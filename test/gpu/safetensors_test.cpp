#include "gpu/peaknet/safetensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/error.h"

using namespace pnflow;

namespace {

std::string file_of(std::uint64_t length, const std::string& header, std::size_t data) {
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  file += header;
  for (std::size_t i = 0; i < data; ++i) file += static_cast<char>(i);
  return file;
}

std::string file_of(const std::string& header, std::size_t data) {
  return file_of(header.size(), header, data);
}

StateDict parsed(const std::string& file) {
  // A copy of exactly this size, so that a sanitizer sees what is read behind its end.
  const auto bytes = std::as_bytes(std::span(file));
  auto copy = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  return parse_safetensors(*copy, copy, "some.safetensors");
}

void check_fault(const std::string& file, const std::string& text) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(parsed(file), doctest::Contains(text.c_str()), RunError);
  CHECK_THROWS_WITH_AS(parsed(file), doctest::Contains("'some.safetensors'"), RunError);
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

}  // namespace

TEST_CASE("safetensors are read where they lie, in any order, with prefixes taken off") {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":)" + entry("F32", "[2,3]", "[3,27]") +
      R"(,"module._orig_mod.module.a":)" + entry("BOOL", "[3,1]", "[0,3]") + R"(,"scalar":)" +
      entry("BF16", "[]", "[27,29]") + R"(,"none":)" + entry("I64", "[0,7]", "[27,27]") + "}  ";
  const StateDict state = parsed(file_of(header, 29));
  REQUIRE(state.size() == 4);
  const WeightTensor& b = state.at("b");
  CHECK(b.type == WeightType::f32);
  CHECK(b.shape == Shape{2, 3});
  REQUIRE(b.bytes.size() == 24);
  CHECK(std::to_integer<int>(b.bytes[0]) == 3);
  CHECK(state.at("a").type == WeightType::boolean);
  CHECK(state.at("a").shape == Shape{3, 1});
  CHECK(state.at("scalar").shape.empty());
  CHECK(state.at("scalar").bytes.size() == 2);
  CHECK(state.at("none").bytes.empty());
}

TEST_CASE("a file without tensors is one") { CHECK(parsed(file_of("{}", 0)).empty()); }

TEST_CASE("a damaged safetensors header is refused with its fault") {
  check_fault("", "it has 0 bytes");
  check_fault("1234567", "it has 7 bytes");
  check_fault(file_of(3, "{}", 0), "truncated: its header has 3 bytes, and 2 are there");
  check_fault(file_of(std::numeric_limits<std::uint64_t>::max(), "{}", 0),
              "its header would have 18446744073709551615 bytes");
  check_fault(file_of(100'000'001, "{}", 0), "at most 100000000 are read");
  check_fault(file_of("", 0), "no JSON: byte 1 of 0");
  check_fault(file_of("{\"a\":", 0), "no JSON: byte 6 of 5");
  check_fault(file_of("{} x", 0), "no JSON");
  check_fault(file_of("\xff\xfe", 0), "no JSON");
  check_fault(file_of("[]", 0), "no JSON object");
  check_fault(file_of("7", 0), "no JSON object");
  check_fault(file_of("{\"a\":1e999}", 0), "numbers that JSON cannot have");
  check_fault(file_of(std::string(100'000, '['), 0), "nested deeper");
  check_fault(file_of(R"({"a":{"shape":[[[[1]]]]}})", 0), "nested deeper");
  check_fault(file_of(R"({"__metadata__":[]})", 0), "__metadata__");
  check_fault(file_of(R"({"__metadata__":{"a":1}})", 0), "__metadata__");
}

TEST_CASE("a tensor that a safetensors file cannot have is named") {
  const auto fault = [](const std::string& entry, const std::string& text, std::size_t data = 8) {
    check_fault(file_of("{\"the.tensor\":" + entry + "}", data), text);
    check_fault(file_of("{\"the.tensor\":" + entry + "}", data), "\"the.tensor\"");
  };
  fault("7", "is no JSON object");
  fault("{}", "has no dtype");
  fault(R"({"dtype":4})", "has no dtype");
  fault(entry("F31", "[2]", "[0,8]"), "has dtype \"F31\", which is not known");
  fault(R"({"dtype":"F32"})", "has no shape");
  fault(R"({"dtype":"F32","shape":[2]})", "has no data_offsets");
  fault(R"({"dtype":"F32","shape":{},"data_offsets":[0,8]})", "has no shape");
  fault(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"stride":[1]})", "has \"stride\"");
  fault(entry("F32", "[-2]", "[0,8]"), "something else than whole numbers");
  fault(entry("F32", "[2.0]", "[0,8]"), "something else than whole numbers");
  fault(entry("F32", "[18446744073709551616]", "[0,8]"), "something else than whole numbers");
  fault(entry("F32", "[2]", "[8]"), "has 1 data_offsets, not 2");
  fault(entry("F32", "[2]", "[0,8,8]"), "has 3 data_offsets, not 2");
  fault(entry("F32", "[2]", "[8,0]"), "is at 8 to 0 of 8 bytes");
  fault(entry("F32", "[2]", "[1,9]"), "is at 1 to 9 of 8 bytes");
  fault(entry("F32", "[2]", "[18446744073709551608,18446744073709551615]"), "of 8 bytes");
  fault(entry("F32", "[3]", "[0,8]"), "3 of F32, needs 12 bytes and has 8");
  fault(entry("F16", "[2,3]", "[0,8]"), "2x3 of F16, needs 12 bytes and has 8");
  fault(entry("F32", "[4611686018427387904]", "[0,8]"), "larger than any memory");
  fault(entry("U8", "[4294967296,4294967296]", "[0,0]"), "larger than any memory", 0);
}

TEST_CASE("tensors that overlap, leave holes or have one name are refused") {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"x":)" + entry("U8", "[4]", first) + R"(,"y":)" + entry("U8", "[4]", second) + "}";
  };
  CHECK(parsed(file_of(two("[4,8]", "[0,4]"), 8)).size() == 2);
  check_fault(file_of(two("[0,4]", "[3,7]"), 8), "tensors \"x\" and \"y\" overlap");
  check_fault(file_of(two("[0,4]", "[0,4]"), 4), "tensors \"x\" and \"y\" overlap");
  check_fault(file_of(two("[4,8]", "[1,5]"), 8), "1 bytes between the header and \"y\"");
  check_fault(file_of(two("[0,4]", "[6,10]"), 10), "2 bytes between \"x\" and \"y\"");
  check_fault(file_of(two("[0,4]", "[4,8]"), 9), "1 bytes at its end belong to no tensor");
  check_fault(file_of(two("[0,4]", "[4,8]"), 7), "tensor \"y\" is at 4 to 8 of 7 bytes");
  const std::string x = entry("U8", "[4]", "[0,4]");
  const std::string y = entry("U8", "[4]", "[4,8]");
  check_fault(file_of(R"({"x":)" + x + R"(,"x":)" + y + "}", 8), "has \"x\" twice");
  check_fault(file_of(R"({"x":{"dtype":"U8","dtype":"I8"}})", 0), "has \"dtype\" twice");
  check_fault(file_of(R"({"x":)" + x + R"(,"module.x":)" + y + "}", 8), "two tensors 'x'");
  check_fault(file_of(R"({"a\nb":)" + x + "}", 4), "control characters");
}

TEST_CASE("values of every floating type become float32") {
  const auto floats = [](WeightType type, const auto& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return floats_of({type, {values.size()}, bytes});
  };
  const std::vector<float> f32{0.1F, -2.0F};
  CHECK(floats(WeightType::f32, f32) == f32);
  CHECK(floats(WeightType::f64, std::vector<double>{0.1, -2.0}) == f32);
  CHECK(floats(WeightType::boolean, std::vector<std::uint8_t>{1, 0, 255}) ==
        std::vector<float>{1, 0, 1});
  CHECK(floats(WeightType::bf16, std::vector<std::uint16_t>{0x3f80, 0xc049}) ==
        std::vector<float>{1.0F, -3.140625F});
  CHECK(floats(WeightType::f16, std::vector<std::uint16_t>{0x3c00, 0xc248, 0x7bff, 0x0001, 0x83ff,
                                                           0x0400, 0x7c00}) ==
        std::vector<float>{1.0F, -3.140625F, 65504.0F, 0x1p-24F, -0x3ffp-24F, 0x1p-14F,
                           std::numeric_limits<float>::infinity()});
  CHECK(std::signbit(floats(WeightType::f16, std::vector<std::uint16_t>{0x8000})[0]));
  CHECK(std::isnan(floats(WeightType::f16, std::vector<std::uint16_t>{0x7e00})[0]));
}

TEST_CASE("every weight type has its own name") {
  for (int i = 0; i <= static_cast<int>(WeightType::boolean); ++i) {
    const auto type = static_cast<WeightType>(i);
    CHECK(weight_type_named(name_of(type)) == type);
    CHECK(size_of(type) >= 1);
  }
  CHECK_FALSE(weight_type_named("f32"));
}
