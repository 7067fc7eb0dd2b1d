#include "io/npy_header.h"

#include <doctest/doctest.h>

#include "test/support/archives.h"
#include "test/support/message_arrays.h"

using namespace pnflow;
using pnflow::test::npy_file_around;
using pnflow::test::reason_of;

namespace {

NpyHeader header_of(const std::string& dictionary, int version = 1) {
  return parse_npy_header(npy_file_around(dictionary, {}, version));
}

std::string refusal(const std::string& dictionary) {
  return reason_of([&] { header_of(dictionary); });
}

std::string with_shape(const std::string& shape, const std::string& order = "False") {
  return "{'descr': '<u2', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

}  // namespace

TEST_CASE("A header as NumPy writes it says type, shape and where the data begin") {
  const std::string text = with_shape("(3, 4, 88, 96)") + std::string(40, ' ');
  for (const int version : {1, 2, 3}) {
    const NpyHeader header = header_of(text, version);
    CHECK(header.type.dtype == DType::u16);
    CHECK(header.shape == Shape{3, 4, 88, 96});
    CHECK(header.header_bytes == (version == 1 ? 10 : 12) + text.size() + 1);
    CHECK(header.data_bytes == std::size_t{3} * 4 * 88 * 96 * 2);
  }
}

TEST_CASE("Shapes of any number of axes are read, also empty ones and scalars") {
  CHECK(header_of(with_shape("()")).shape == Shape{});
  CHECK(header_of(with_shape("()")).data_bytes == 2);
  CHECK(header_of(with_shape("(7,)")).shape == Shape{7});
  CHECK(header_of(with_shape("(0,)")).data_bytes == 0);
  CHECK(header_of(with_shape("(0, 3, 5)")).shape == Shape{0, 3, 5});
  CHECK(header_of(with_shape("( 2 ,3,)")).shape == Shape{2, 3});
}

TEST_CASE("Keys in any order and either quotes are one dictionary") {
  const NpyHeader header = header_of(R"({ "shape":(2,), "descr":">f4" , 'fortran_order':True })");
  CHECK(header.type.dtype == DType::f32);
  CHECK(header.type.swapped);
  CHECK(header.shape == Shape{2});  // with one axis both orders are one
}

TEST_CASE("An array in Fortran order is refused in words") {
  CHECK_THROWS_WITH_AS(header_of(with_shape("(3, 4)", "True")),
                       "unsupported layout: a 3x4 array in Fortran order, where C order is read",
                       DataError);
}

TEST_CASE("Structured types and objects are refused by name") {
  const auto with_descr = [](const std::string& descr) {
    return "{'descr': " + descr + ", 'fortran_order': False, 'shape': (2,), }";
  };
  CHECK_THROWS_WITH_AS(header_of(with_descr("[('a', '<u2'), ('b', '<f4', (3,))]")),
                       "wrong dtype: NumPy type \"[('a', '<u2'), ('b', '<f4', (3,))]\"", DataError);
  CHECK_THROWS_WITH_AS(header_of(with_descr("'|O'")), "wrong dtype: NumPy type \"|O\"", DataError);
  CHECK(refusal(with_descr("('<u2', (3,))")) == "wrong dtype");
  CHECK(refusal(with_descr("[[[[")) != "none");
}

TEST_CASE("A dictionary that is not quite one is damaged metadata") {
  const std::string good = with_shape("(2, 3)");
  CHECK(refusal(good) == "none");
  for (std::size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    CHECK(refusal(good.substr(0, length)) == "damaged metadata");
  }
  for (const char* text :
       {"{}", "{'descr': '<u2', 'shape': (2,)}", "{'descr': '<u2', 'fortran_order': False}",
        "{'descr': '<u2', 'descr': '<u2', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (), 'more': 1}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': ()} + 1",
        "{'descr': '\\x3cu2', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<u2', 'fortran_order': 0, 'shape': ()}",
        "{'descr': '<u2' 'fortran_order': False, 'shape': ()}"}) {
    CAPTURE(std::string(text));
    CHECK(refusal(text) == "damaged metadata");
  }
  for (const char* shape : {"(3)", "3", "[3]", "(,)", "(3,,4)", "(3 4)", "(3.0,)", "(0x3,)",
                            "(03,)", "(+3,)", "(3L,)", "(3,", "(2**60,)"}) {
    CAPTURE(std::string(shape));
    CHECK(refusal(with_shape(shape)) == "damaged metadata");
  }
}

TEST_CASE("Extents that no array has are refused before anything is allocated") {
  CHECK(refusal(with_shape("(-3,)")) == "wrong shape");
  CHECK(refusal(with_shape("(3, -1)")) == "wrong shape");
  CHECK(refusal(with_shape("(18446744073709551616,)")) == "implausible size");
  CHECK(refusal(with_shape("(9223372036854775808,)")) == "implausible size");
  CHECK(refusal(with_shape("(4294967296, 4294967296)")) == "implausible size");
  std::string axes = "(";
  for (int i = 0; i < 65; ++i) axes += "1, ";
  CHECK(refusal(with_shape(axes + ")")) == "wrong shape");
}

TEST_CASE("Files that are not .npy files, or of a version to come, are damaged metadata") {
  const auto whole = npy_file_around(with_shape("(2,)"));
  const auto reason = [](std::span<const std::byte> npy) {
    return reason_of([&] { parse_npy_header(npy); });
  };
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK(reason(std::span(whole).first(size)) == "damaged metadata");
  }
  CHECK(reason(whole) == "none");
  for (const int version : {0, 4, 255}) {
    auto other = whole;
    other[6] = static_cast<std::byte>(version);
    CHECK(reason(other) == "damaged metadata");
  }
  CHECK(reason(npy_file_around(with_shape("(2,)") + std::string(10'000, ' '))) ==
        "damaged metadata");
}
