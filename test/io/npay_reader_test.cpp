#include "io/npay_reader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>

#include "test/support/archives.h"
#include "test/support/message_arrays.h"
#include "test/support/messages.h"

using namespace pnflow;
using namespace pnflow::test;
using Buffer = std::vector<std::byte>;

namespace {

// Writes messages as LCLStreamer's FastBinarySerializer does, and such as it never would.
class NpayBuilder {
 public:
  explicit NpayBuilder(std::uint64_t count, std::uint64_t version = 1) {
    append_text("YAPN");
    append(version, 4);
    append(count, 4);
  }
  NpayBuilder& array(const std::string& name, const std::string& type,
                     const std::vector<std::int64_t>& extents, const Buffer& data) {
    return array(name, type, extents, data, data.size(), 0);
  }
  NpayBuilder& array(const std::string& name, const std::string& type,
                     const std::vector<std::int64_t>& extents, const Buffer& data,
                     std::uint64_t size, unsigned compression) {
    for (const std::string& text : {name, type}) {
      append(text.size(), 4);
      append_text(text);
    }
    append(extents.size(), 4);
    for (const std::int64_t extent : extents) append(static_cast<std::uint64_t>(extent), 8);
    append(compression, 1);
    append(size, 8);
    append(data.size(), 8);
    std::ranges::copy(data, std::back_inserter(bytes_));
    return *this;
  }
  const Buffer& bytes() const { return bytes_; }

 private:
  void append(std::uint64_t value, int width) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + static_cast<std::size_t>(width));
    put_number(bytes_, at, value, width);
  }
  void append_text(const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text));
    std::ranges::copy(bytes, std::back_inserter(bytes_));
  }

  Buffer bytes_;
};

Buffer sample() {
  return NpayBuilder(3)
      .array("/data/data", "<u2", {2, 3}, Buffer(12, std::byte{1}))
      .array("/data/timestamp", "<u8", {2}, Buffer(16, std::byte{2}))
      .array("/data/label", "|S4", {2}, Buffer(8, std::byte{'x'}))
      .bytes();
}

using Fates = std::vector<std::string>;

}  // namespace

TEST_CASE("Every captured NPAY message holds what LCLStreamer put in") {
  check_captured_set("npay_none_u16");
  const Buffer bytes = read_bytes(captured_messages("npay_none_u16").at(0));
  const auto reader = open_message(bytes);
  CHECK(reader->format() == "NPAY");
  const auto image = reader->find(reader->usual_names().image);
  CHECK(image->dtype() == DType::u16);
  CHECK(image->shape() == Shape{3, 4, 88, 96});
  CHECK(image->storage() == "stored");
}

TEST_CASE("Arrays of an NPAY message are found by name, of every type and shape") {
  const Buffer bytes =
      NpayBuilder(4)
          .array("z", ">i2", {2}, {std::byte{0}, std::byte{1}, std::byte{0xff}, std::byte{0xfe}})
          .array("scalar", "|u1", {}, {std::byte{9}})
          .array("none", "<f4", {0, 5}, {})
          .array("text", "<U1", {1}, {std::byte{'a'}, {}, {}, {}})
          .bytes();
  const auto reader = open_message(bytes);
  CHECK(reader->names() == std::vector<std::string>{"none", "scalar", "text", "z"});
  std::vector<std::int16_t> z(2);
  const auto field = find_array(*reader, "z");
  for (std::size_t i = 0; i < 2; ++i) field->read(i, std::as_writable_bytes(std::span(&z[i], 1)));
  CHECK(z == std::vector<std::int16_t>{1, -2});
  CHECK(find_array(*reader, "scalar")->shape().empty());
  CHECK(read_all(*find_array(*reader, "scalar")) == Buffer{std::byte{9}});
  CHECK(find_array(*reader, "none")->shape() == Shape{0, 5});
  CHECK(find_array(*reader, "text")->text(0) == "a");
  const std::vector<std::string> names = {"absent", "z", "none"};
  CHECK(reader->find(names)->name() == "z");
  CHECK(reader->find(std::span(names).first(1)) == nullptr);
}

TEST_CASE("An NPAY message cut anywhere is truncated") {
  const Buffer whole = sample();
  CHECK(array_fates(whole) ==
        Fates{"/data/data: read read", "/data/label: read read", "/data/timestamp: read read"});
  for (std::size_t size = 4; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(array_fates(Buffer(whole.begin(), whole.begin() + static_cast<long>(size))) ==
          Fates{"truncated"});
  }
}

TEST_CASE("No flipped bit of an NPAY message does worse than change what it changes") {
  const Buffer whole = sample();
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    Buffer bytes = whole;
    bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    CAPTURE(bit);
    CHECK_FALSE(array_fates(bytes).empty());
  }
}

TEST_CASE("A compression that nobody has seen is named by its code, for its array alone") {
  const Buffer bytes = NpayBuilder(3)
                           .array("lz4", "|u1", {4}, Buffer(3), 4, 1)
                           .array("plain", "|u1", {1}, Buffer(1))
                           .array("zstd", "|u1", {4}, Buffer(3), 4, 2)
                           .bytes();
  CHECK(array_fates(bytes) ==
        Fates{"lz4: unknown filter 1", "plain: read", "zstd: unknown filter 2"});
}

TEST_CASE("Shapes that their data do not have are refused before anything is allocated") {
  constexpr std::int64_t huge = std::int64_t{1} << 60U;
  const Buffer bytes = NpayBuilder(7)
                           .array("1", "<u2", {-2}, Buffer(4))
                           .array("2", "<u2", {3}, Buffer(4))
                           .array("3", "<u2", {1}, Buffer(4))
                           .array("4", "<u2", {huge}, Buffer(4))
                           .array("5", "<u2", {huge, huge}, Buffer(4))
                           .array("6", "<c8", {1}, Buffer(8))
                           .array("7", "<u2", {2}, Buffer(3), 4, 0)
                           .bytes();
  CHECK(array_fates(bytes) == Fates{"1: wrong shape", "2: wrong shape", "3: wrong shape",
                                    "4: implausible size", "5: implausible size", "6: wrong dtype",
                                    "7: damaged metadata"});
  const Buffer small = sample();
  const auto reader = open_message(small, {.max_array_bytes = 15});
  // The limit is about claims, not about what is there.
  CHECK(reason_of([&] { find_array(*reader, "/data/timestamp"); }) == "none");
}

TEST_CASE("Other versions, counts, names and remains of NPAY each have their reason") {
  CHECK(array_fates(NpayBuilder(0).bytes()).empty());
  CHECK(array_fates(NpayBuilder(0, 2).bytes()) == Fates{"unsupported layout"});
  CHECK(array_fates(NpayBuilder(0xffffffff).bytes()) == Fates{"truncated"});
  const std::vector<std::int64_t> many(65, 1);
  const Buffer one(1);
  for (const Buffer& bytes :
       {NpayBuilder(1).array("a", "|u1", {1}, one).array("b", "|u1", {1}, one).bytes(),
        NpayBuilder(2).array("a", "|u1", {1}, one).array("a", "|u1", {1}, one).bytes(),
        NpayBuilder(1).array("", "|u1", {1}, one).bytes(),
        NpayBuilder(1).array("a\nb", "|u1", {1}, one).bytes(),
        NpayBuilder(1).array("a", "|u1", many, one).bytes()}) {
    CHECK(array_fates(bytes) == Fates{"damaged metadata"});
  }
}
