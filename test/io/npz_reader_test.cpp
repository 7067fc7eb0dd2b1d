#include "io/npz_reader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <thread>

#include "test/support/archives.h"
#include "test/support/message_arrays.h"
#include "test/support/messages.h"
#include "test/support/npz.h"

using namespace pnflow;
using namespace pnflow::test;
using Buffer = std::vector<std::byte>;

namespace {

const std::vector<std::string> captured_sets = {
    "npz_deflate_batch_f32", "npz_deflate_merged_u16",   "npz_normalized_f32",
    "npz_stored_center_f32", "npz_timestamp_f64_packed", "npz_timestamp_f64_seconds",
    "npz_timestamp_string"};

std::vector<std::uint16_t> counting(std::size_t count) {
  std::vector<std::uint16_t> values(count);
  std::iota(values.begin(), values.end(), std::uint16_t{1});
  return values;
}

// Images (3, 2, 5) and time stamps.
std::vector<ArchiveEntry> sample(int level) {
  return {{"detector_data.npy", npy_file("'<u2'", "(3, 2, 5)", bytes_of(counting(30))), level},
          {"timestamp.npy",
           npy_file("'<u8'", "(3,)", bytes_of(std::vector<std::uint64_t>{4, 5, 6})), level}};
}

const std::vector<std::string> sample_fates = {"detector_data: read read read",
                                               "timestamp: read read read"};

void check_sample(const Buffer& bytes, const std::string& storage) {
  const auto reader = open_message(bytes);
  CHECK(reader->format() == "npz");
  CHECK(reader->names() == std::vector<std::string>{"detector_data", "timestamp"});
  const auto image = find_array(*reader, "detector_data");
  CHECK(image->name() == "detector_data");
  CHECK(image->dtype() == DType::u16);
  CHECK(image->shape() == Shape{3, 2, 5});
  CHECK(image->storage() == storage);
  CHECK_FALSE(image->is_text());
  const auto values = counting(30);
  CHECK(std::ranges::equal(read_all(*image), bytes_of(values)));
}

// The one array `a` of an archive whose member holds `npy`.
struct OneArray {
  explicit OneArray(const Buffer& npy, int level = 0)
      : bytes(zip_archive({{"a.npy", npy, level}})), reader(open_message(bytes)) {}
  std::unique_ptr<MessageField> field() const { return find_array(*reader, "a"); }
  std::string refusal() const {
    return reason_of([&] { field(); });
  }

  Buffer bytes;
  std::unique_ptr<MessageReader> reader;
};

}  // namespace

TEST_CASE("Every captured npz message holds what LCLStreamer put in") {
  for (const std::string& set : captured_sets) {
    if (set != "npz_normalized_f32") check_captured_set(set);
  }
}

TEST_CASE("Every array of the captured npz messages reads as libzip and NumPy's format have it") {
  for (const std::string& set : captured_sets) {
    for (const std::string& path : captured_messages(set)) {
      CAPTURE(path);
      const auto wanted = read_npz(path);
      const Buffer bytes = read_bytes(path);
      const auto reader = open_message(bytes);
      REQUIRE(reader->names().size() == wanted.size());
      for (const auto& [name, array] : wanted) {
        CAPTURE(name);
        const auto field = find_array(*reader, name);
        CHECK(field->shape() == array.shape);
        CHECK(field->is_text() == (array.descr == "<U20"));
        if (!field->is_text()) CHECK(read_all(*field) == array.bytes);
      }
    }
  }
}

TEST_CASE("Text of a captured message is what LCLStreamer wrote") {
  const Buffer bytes = read_bytes(captured_messages("npz_timestamp_string").at(0));
  const auto reader = open_message(bytes);
  const auto field = find_array(*reader, "timestamp");
  CHECK(field->is_text());
  CHECK(field->shape() == Shape{3});
  CHECK(field->text(0) == "1700000000.100000005");
  CHECK(field->text(2) == "1700000002.174000011");
  std::byte one{};
  CHECK(reason_of([&] { field->read(0, {&one, 1}); }) == "wrong dtype");
  const auto image = find_array(*reader, "detector_data");
  CHECK(reason_of([&] { static_cast<void>(image->text(0)); }) == "wrong dtype");
}

TEST_CASE("Archives of libzip and libarchive, of every level and form, hold the same arrays") {
  check_sample(zip_archive(sample(0)), "stored");
  for (const int level : {1, 6, 9}) check_sample(zip_archive(sample(level)), "deflate");
  check_sample(zip_archive(sample(0), "with a comment"), "stored");
  for (const int level : {0, 6}) {
    for (const bool zip64 : {false, true}) {
      check_sample(streamed_archive(sample(level), zip64), level == 0 ? "stored" : "deflate");
    }
  }
}

TEST_CASE("Members that are no arrays are passed over, and of several names the first counts") {
  auto entries = sample(0);
  entries.push_back({"README.txt", Buffer(10), 0});
  entries.push_back({"other-data.npy", npy_file("'|u1'", "(1,)", Buffer(1)), 0});
  entries.push_back({"other.npy", npy_file("'|u1'", "(1,)", Buffer(1)), 0});
  const Buffer bytes = zip_archive(entries);
  const auto reader = open_message(bytes);
  CHECK(reader->names() ==
        std::vector<std::string>{"detector_data", "other", "other-data", "timestamp"});
  const std::vector<std::string> names = {"README.txt", "absent", "timestamp", "detector_data"};
  CHECK(reader->find(names)->name() == "timestamp");
  CHECK(reader->find(std::span(names).first(2)) == nullptr);
}

TEST_CASE("Scalars, arrays without entries and big-endian numbers are read") {
  const OneArray scalar(
      npy_file("'>f8'", "()", bytes_of(std::vector<std::uint8_t>{0x40, 0x09, 0, 0, 0, 0, 0, 0})));
  CHECK(scalar.field()->shape().empty());
  double value = 0;
  scalar.field()->read(0, std::as_writable_bytes(std::span(&value, 1)));
  CHECK(value == 3.125);
  CHECK_THROWS_AS(scalar.field()->read(1, std::as_writable_bytes(std::span(&value, 1))),
                  std::out_of_range);
  CHECK_THROWS_AS(scalar.field()->read(0, {}), std::invalid_argument);
  for (const int level : {0, 6}) {
    const OneArray empty(npy_file("'<u2'", "(0, 3, 5)", {}), level);
    CHECK(empty.field()->shape() == Shape{0, 3, 5});
    CHECK(read_all(*empty.field()).empty());
    const OneArray flat(npy_file("'<u2'", "(4, 0)", {}), level);
    CHECK(read_all(*flat.field()).empty());
  }
}

TEST_CASE("What a header claims beyond its data or any memory is refused, and allocates nothing") {
  for (const int level : {0, 6}) {
    CAPTURE(level);
    const Buffer data(20);
    CHECK(OneArray(npy_file("'<u2'", "(11,)", data), level).refusal() == "wrong shape");
    CHECK(OneArray(npy_file("'<u2'", "(9,)", data), level).refusal() == "wrong shape");
    CHECK(OneArray(npy_file("'<u2'", "(1152921504606846976,)", data), level).refusal() ==
          "implausible size");
    CHECK(OneArray(npy_file("'<u2'", "(9223372036854775808, 2)", data), level).refusal() ==
          "implausible size");
    CHECK(OneArray(npy_file("'|O'", "(2,)", data), level).refusal() == "wrong dtype");
    CHECK(OneArray(data, level).refusal() == "damaged metadata");
    CHECK(OneArray({}, level).refusal() == "damaged metadata");
  }
}

TEST_CASE("Arrays above the limit are of implausible size, others of the message are read") {
  for (const int level : {0, 6}) {
    const Buffer bytes = zip_archive(sample(level));
    const auto reader = open_message(bytes, {.max_array_bytes = 59});
    // What is stored is read where it lies, and takes no memory.
    CHECK(reason_of([&] { find_array(*reader, "detector_data"); }) ==
          (level == 0 ? "none" : "implausible size"));
    CHECK(read_all(*find_array(*reader, "timestamp")).size() == 24);
    CHECK(read_all(*find_array(*open_message(bytes, {.max_array_bytes = 60}), "detector_data"))
              .size() == 60);
  }
}

TEST_CASE("A member that claims more than deflate can hold is of implausible size") {
  // 2 GiB of zeros by the directory and the header, a few bytes in truth.
  Buffer bytes = zip_archive({{"a.npy", npy_file("'|u1'", "(2147483648,)", Buffer(100)), 6}});
  put_number(bytes, position_of(bytes, "PK\1\2") + 24, 0x80000000U + 128, 4);
  const auto reader = open_message(bytes);
  CHECK(reason_of([&] { find_array(*reader, "a"); }) == "implausible size");
}

TEST_CASE("Compression and encryption that are not read cost their array alone") {
  const auto entries = sample(0);
  Buffer bytes = zip_archive(entries);
  const std::size_t entry = position_of(bytes, "PK\1\2");
  for (const std::size_t at : {std::size_t{8}, entry + 10}) put_number(bytes, at, 12, 2);
  CHECK(array_fates(bytes) ==
        std::vector<std::string>{"detector_data: unknown filter 12", sample_fates[1]});
  bytes = zip_archive(entries);
  put_number(bytes, entry + 8, 1, 2);
  CHECK(array_fates(bytes) ==
        std::vector<std::string>{"detector_data: unsupported layout", sample_fates[1]});
}

TEST_CASE("Damage to a member is found by its checksum, once, for all entries") {
  for (const int level : {0, 1}) {
    Buffer bytes = zip_archive(sample(level));
    CHECK(array_fates(bytes) == sample_fates);
    put_number(bytes, position_of(bytes, "PK\1\2") + 16, 1, 4);
    CHECK(array_fates(bytes) ==
          std::vector<std::string>{"detector_data: wrong checksum wrong checksum wrong checksum",
                                   sample_fates[1]});
  }
}

TEST_CASE("A message cut anywhere is truncated") {
  for (const Buffer& whole :
       {zip_archive(sample(0)), zip_archive(sample(6)), streamed_archive(sample(6), true)}) {
    CHECK(array_fates(whole) == sample_fates);
    for (std::size_t size = 4; size < whole.size(); ++size) {
      CAPTURE(size);
      CHECK(array_fates(Buffer(whole.begin(), whole.begin() + static_cast<long>(size))) ==
            std::vector<std::string>{"truncated"});
    }
  }
}

TEST_CASE("No flipped bit of an archive changes what is read without a word") {
  for (const Buffer& whole :
       {zip_archive(sample(0)), zip_archive(sample(6)), streamed_archive(sample(6), true)}) {
    Buffer pixels;
    array_fates(whole, &pixels);
    for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
      Buffer bytes = whole;
      bytes[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
      Buffer seen;
      const auto fates = array_fates(bytes, &seen);
      CAPTURE(bit);
      // Names may change with both of their places only, which one bit cannot.
      if (fates == sample_fates) CHECK(seen == pixels);
    }
  }
}

TEST_CASE("An array is decompressed once for all threads that read it") {
  const Buffer bytes = read_bytes(captured_messages("npz_deflate_batch_f32").at(0));
  const auto reader = open_message(bytes);
  const Buffer wanted = read_all(*find_array(*open_message(bytes), "detector_data"));
  std::vector<std::thread> threads;
  std::vector<Buffer> seen(4);
  for (Buffer& own : seen) {
    threads.emplace_back([&] { own = read_all(*find_array(*reader, "detector_data")); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Buffer& own : seen) CHECK(own == wanted);
}

TEST_CASE("A field outlives the reader that it came from") {
  const Buffer bytes = zip_archive(sample(6));
  const auto field = find_array(*open_message(bytes), "detector_data");
  CHECK(std::ranges::equal(read_all(*field), bytes_of(counting(30))));
}
