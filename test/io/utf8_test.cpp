#include "io/utf8.h"

#include <doctest/doctest.h>

using namespace pnflow;

TEST_CASE("Code points of every length are written as UTF-8, and read as such") {
  std::string text;
  for (const char32_t code_point : {U'A', U'\u00e9', U'\u20ac', U'\U0001f52c', U'\U0010ffff'}) {
    CHECK(append_utf8(code_point, text));
  }
  CHECK(text == "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\xac\xf4\x8f\xbf\xbf");
  CHECK(is_utf8(text));
  CHECK(is_one_line(text));
}

TEST_CASE("Surrogates and what lies above Unicode are no code points") {
  std::string text;
  for (const char32_t code_point : {0xd800U, 0xdfffU, 0x110000U, 0xffffffffU}) {
    CHECK_FALSE(append_utf8(code_point, text));
  }
  CHECK(text.empty());
}

TEST_CASE("Bytes that are not UTF-8 are told from those that are") {
  for (const char* bytes :
       {"\x80", "\xc3", "\xc3(", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "a\xe2\x82"}) {
    CAPTURE(std::string(bytes));
    CHECK_FALSE(is_utf8(bytes));
  }
  CHECK(is_utf8(""));
}

TEST_CASE("A line has characters, and none that ends it") {
  CHECK_FALSE(is_one_line(""));
  CHECK_FALSE(is_one_line("a\nb"));
  CHECK_FALSE(is_one_line(std::string_view("a\0b", 3)));
  CHECK_FALSE(is_one_line("\x7f"));
  CHECK(is_one_line("/data/data"));
}
