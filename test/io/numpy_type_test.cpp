#include "io/numpy_type.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "test/support/message_arrays.h"

using namespace pnflow;
using pnflow::test::reason_of;

namespace {

template <class T>
T copied(const char* type, std::initializer_list<unsigned> stored) {
  std::vector<std::byte> bytes(1);  // so that the number is not aligned
  for (const unsigned byte : stored) bytes.push_back(static_cast<std::byte>(byte));
  T value{};
  copy_numbers(numpy_type(type), std::span(bytes).subspan(1),
               std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

std::string text_of(const char* type, std::string_view element) {
  return numpy_text(numpy_type(type), std::as_bytes(std::span(element)));
}

}  // namespace

TEST_CASE("Numbers of every type that messages have are known by NumPy's names") {
  const std::pair<const char*, DType> types[] = {
      {"|b1", DType::u8},  {"|u1", DType::u8},  {"|i1", DType::i8},  {"<u2", DType::u16},
      {"<i2", DType::i16}, {"<u4", DType::u32}, {"<i4", DType::i32}, {"<u8", DType::u64},
      {"<i8", DType::i64}, {"<f4", DType::f32}, {"<f8", DType::f64}, {">i4", DType::i32},
      {">f8", DType::f64}};
  for (const auto& [name, dtype] : types) {
    CAPTURE(std::string(name));
    const NumpyType type = numpy_type(name);
    CHECK(type.dtype == dtype);
    CHECK(type.bytes == size_of(dtype));
    CHECK(type.swapped == (name[0] == '>'));
    CHECK_FALSE(type.is_text());
  }
}

TEST_CASE("Types that no array of a message has are refused by their names") {
  for (const char* name : {"|O",         "<c8",
                           "<f2",        "<f16",
                           "<M8[ns]",    "<m8",
                           "|V8",        "[('a', '<u2')]",
                           "<u3",        "<u16",
                           "<b1x",       "|u2",
                           "|U4",        "u2",
                           "=u2",        "uint16",
                           "",           "<",
                           "<u",         "<u-2",
                           "<u02",       "<U0",
                           "|S0",        "|b2",
                           "<U99999999", "<u99999999999999999999"}) {
    CAPTURE(std::string(name));
    CHECK(reason_of([&] { numpy_type(name); }) == "wrong dtype");
  }
  CHECK_THROWS_WITH_AS(numpy_type("<c8"), "wrong dtype: NumPy type \"<c8\"", DataError);
  CHECK_THROWS_WITH_AS(numpy_type("|O\n"), "wrong dtype: NumPy type \"|O\\n\"", DataError);
}

TEST_CASE("Numbers of either byte order are copied into this machine's") {
  CHECK(copied<std::uint8_t>("|u1", {200}) == 200);
  CHECK(copied<std::uint16_t>("<u2", {0x34, 0x12}) == 0x1234);
  CHECK(copied<std::uint16_t>(">u2", {0x12, 0x34}) == 0x1234);
  CHECK(copied<std::int32_t>(">i4", {0xff, 0xff, 0xff, 0xfe}) == -2);
  CHECK(copied<float>(">f4", {0x3f, 0xc0, 0, 0}) == 1.5F);
  CHECK(copied<double>(">f8", {0xc0, 0x04, 0, 0, 0, 0, 0, 0}) == -2.5);
  CHECK(copied<double>("<f8", {0, 0, 0, 0, 0, 0, 0x04, 0xc0}) == -2.5);
}

TEST_CASE("Several big-endian numbers are each turned around") {
  const std::vector<std::uint8_t> stored = {0, 1, 0, 2, 0, 3};
  std::vector<std::uint16_t> out(3);
  copy_numbers(numpy_type(">u2"), std::as_bytes(std::span(stored)),
               std::as_writable_bytes(std::span(out)));
  CHECK(out == std::vector<std::uint16_t>{1, 2, 3});
}

TEST_CASE("Text of NumPy's two kinds becomes UTF-8 without the zeros at its end") {
  CHECK(text_of("|S6", {"1.5\0\0\0", 6}) == "1.5");
  CHECK(text_of("|S6", {"a\0b\0\0\0", 6}) == std::string("a\0b", 3));
  CHECK(text_of("|S3", "abc") == "abc");
  CHECK(text_of("|S2", {"\0\0", 2}).empty());
  CHECK(text_of("<U3", {"1\0\0\0\xe9\0\0\0\0\0\0\0", 12}) == "1\xc3\xa9");
  CHECK(text_of(">U2", {"\0\0\0a\0\1\xf5\x2c", 8}) == "a\xf0\x9f\x94\xac");
}

TEST_CASE("Text with characters that do not exist is damaged") {
  CHECK(reason_of([] { text_of("|S2", "\xff\xfe"); }) == "damaged chunk");
  CHECK(reason_of([] { text_of("<U1", {"\0\xd8\0\0", 4}); }) == "damaged chunk");
  CHECK(reason_of([] { text_of("<U1", "\xff\xff\xff\xff"); }) == "damaged chunk");
}
