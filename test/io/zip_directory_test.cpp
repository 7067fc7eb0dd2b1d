#include "io/zip_directory.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "test/support/archives.h"
#include "test/support/message_arrays.h"

using namespace pnflow;
using namespace pnflow::test;
using Buffer = std::vector<std::byte>;

namespace {

Buffer bytes_of_text(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Buffer repeated(std::size_t count) { return Buffer(count, std::byte{7}); }

const std::vector<ArchiveEntry> two = {{"b.npy", bytes_of_text("hello"), 0},
                                       {"a.npy", repeated(1000), 6}};

std::string refusal(const Buffer& bytes) {
  return reason_of([&] { const ZipDirectory directory(bytes); });
}

void check_two(const Buffer& bytes) {
  const ZipDirectory directory(bytes);
  REQUIRE(directory.members().size() == 2);
  const ZipMember& a = directory.members()[0];
  const ZipMember& b = directory.members()[1];
  CHECK(a.name == "a.npy");
  CHECK(a.method == ZipMember::deflate_method);
  CHECK(a.size == 1000);
  CHECK(a.data.size() < 100);
  CHECK(b.name == "b.npy");
  CHECK(b.method == ZipMember::stored_method);
  CHECK(b.size == 5);
  CHECK(b.crc32 == 0x3610a686);  // of "hello"
  CHECK(std::ranges::equal(b.data, bytes_of_text("hello")));
  CHECK_FALSE(b.encrypted);
  CHECK(directory.find("b.npy") == &b);
  CHECK(directory.find("c.npy") == nullptr);
  CHECK(directory.find("") == nullptr);
}

// Offsets of fields in the first entry of the directory.
constexpr std::size_t flags_at = 8, method_at = 10, crc_at = 16, stored_size_at = 20, size_at = 24,
                      name_bytes_at = 28, volume_at = 34, offset_at = 42, name_at = 46;

struct Archive {
  Buffer bytes = zip_archive(two);
  std::size_t entry = position_of(bytes, "PK\1\2");
  std::size_t end = position_of(bytes, "PK\5\6");

  Archive with(std::size_t at, std::uint64_t value, int width) const {
    Archive changed = *this;
    put_number(changed.bytes, at, value, width);
    return changed;
  }
};

}  // namespace

TEST_CASE("Members of an archive by libzip are found, whatever its comment") {
  check_two(zip_archive(two));
  check_two(zip_archive(two, "made for a test"));
  check_two(zip_archive(two, std::string(65535, 'c')));
  CHECK(ZipDirectory(zip_archive({{"\xc3\xa9.npy", {}, 0}})).find("\xc3\xa9.npy") != nullptr);
}

TEST_CASE("Members of an archive written in one go, with data descriptors, are found") {
  for (const bool zip64 : {false, true}) {
    CAPTURE(zip64);
    const Buffer bytes = streamed_archive(two, zip64);
    CHECK(position_of(bytes, "PK\7\x8") > 0);  // a data descriptor
    check_two(bytes);
  }
}

TEST_CASE("64-bit extensions are followed where they stand in for shorter numbers") {
  // The directory of an archive by libzip with every number moved into its 64-bit form.
  const Archive archive;
  Buffer bytes(archive.bytes.begin(), archive.bytes.begin() + static_cast<long>(archive.entry));
  const auto append = [&](std::uint64_t value, int width) {
    bytes.resize(bytes.size() + static_cast<std::size_t>(width));
    put_number(bytes, bytes.size() - static_cast<std::size_t>(width), value, width);
  };
  const auto at = [&](std::size_t position) {
    return archive.bytes.begin() + static_cast<long>(position);
  };
  const auto number = [&](std::size_t position) {
    std::uint64_t value = 0;
    for (std::size_t i = 4; i-- > 0;) {
      value = value << 8U | std::to_integer<std::uint64_t>(archive.bytes[position + i]);
    }
    return value;
  };
  std::size_t from = archive.entry;
  for (int i = 0; i < 2; ++i) {
    const std::size_t begin = bytes.size();
    bytes.insert(bytes.end(), at(from), at(from + name_at + 5));
    for (const std::size_t field : {stored_size_at, size_at, offset_at}) {
      put_number(bytes, begin + field, 0xffffffff, 4);
    }
    put_number(bytes, begin + volume_at, 0xffff, 2);
    put_number(bytes, begin + name_bytes_at + 2, 6 + 32, 2);
    append(0x7075, 2);  // some other extra field, of two bytes
    append(2, 2);
    append(0, 2);
    append(1, 2);
    append(28, 2);
    for (const std::size_t field : {size_at, stored_size_at, offset_at})
      append(number(from + field), 8);
    append(0, 4);
    const std::size_t extra = std::to_integer<std::size_t>(archive.bytes[from + name_bytes_at + 2]);
    from += name_at + 5 + extra;
  }
  const std::size_t record = bytes.size();
  append(0x06064b50, 4);
  append(44, 8);
  append(45, 2);
  append(45, 2);
  append(0, 4);
  append(0, 4);
  append(2, 8);
  append(2, 8);
  append(record - archive.entry, 8);
  append(archive.entry, 8);
  append(0x07064b50, 4);
  append(0, 4);
  append(record, 8);
  append(1, 4);
  const std::size_t end = bytes.size();
  append(0x06054b50, 4);
  for (int i = 0; i < 2; ++i) append(0, 2);
  for (int i = 0; i < 2; ++i) append(0xffff, 2);
  for (int i = 0; i < 2; ++i) append(0xffffffff, 4);
  append(0, 2);
  check_two(bytes);

  Buffer bad = bytes;
  put_number(bad, end + 10, 3, 2);  // members, where 0xffff would stand for the longer number
  CHECK(refusal(bad) == "damaged metadata");
  bad = bytes;
  put_number(bad, record + 32, std::uint64_t{1} << 60U, 8);
  put_number(bad, record + 24, std::uint64_t{1} << 60U, 8);
  CHECK(refusal(bad) == "damaged metadata");
  bad = bytes;
  put_number(bad, record + 4, 45, 8);
  CHECK(refusal(bad) == "damaged metadata");
  bad = bytes;
  put_number(bad, end - 12, ~std::uint64_t{0}, 8);
  CHECK(refusal(bad) == "damaged metadata");
  bad = bytes;
  put_number(bad, end - 4, 2, 4);
  CHECK(refusal(bad) == "unsupported layout");
}

TEST_CASE("An archive cut anywhere is truncated") {
  const Buffer whole = zip_archive(two);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(refusal(Buffer(whole.begin(), whole.begin() + static_cast<long>(size))) == "truncated");
  }
  Buffer longer = whole;
  longer.push_back(std::byte{0});
  CHECK(refusal(longer) == "truncated");
}

TEST_CASE("A directory that contradicts itself or the members is damaged metadata") {
  const Archive a;
  CHECK(refusal(a.bytes) == "none");
  const Archive broken[] = {
      a.with(a.entry, 0, 4),                            // no entry
      a.with(a.entry + method_at, 8, 2),                // deflate; its own header says stored
      a.with(a.entry + stored_size_at, 6, 4),           // runs into the next member
      a.with(a.entry + stored_size_at, 1U << 30U, 4),   // outside
      a.with(a.entry + stored_size_at, 0xffffffff, 4),  // no 64-bit number there
      a.with(a.entry + offset_at, 1, 4),                // no local header there
      a.with(a.entry + offset_at, a.entry, 4),          // the directory is no member
      a.with(a.entry + offset_at, 0xfffffff0, 4),
      a.with(a.entry + name_bytes_at, 4, 2),
      a.with(a.entry + name_at, 'c', 1),  // another name than in its own header
      a.with(4 + 26, 'c', 1),             // the same from the other side
      a.with(a.end + 12, 10, 4),          // size of the directory
      a.with(a.end + 16, 10, 4),          // its offset
  };
  for (const Archive& archive : broken) {
    CAPTURE(&archive - broken);
    CHECK(refusal(archive.bytes) == "damaged metadata");
  }
  Archive counts = a.with(a.end + 8, 3, 2);
  CHECK(refusal(counts.bytes) == "unsupported layout");  // 3 of 2 members on this volume
  put_number(counts.bytes, a.end + 10, 3, 2);
  CHECK(refusal(counts.bytes) == "damaged metadata");
}

TEST_CASE("Two entries for one member, or two members of one name, are damaged metadata") {
  const Archive a;
  const std::size_t second = position_of(a.bytes, "PK\1\2", 1);
  Archive overlap = a.with(second + offset_at, 0, 4);
  CHECK(refusal(overlap.bytes) == "damaged metadata");
  Archive twice = a;
  for (std::size_t nth = 0; nth < 2; ++nth) {
    put_number(twice.bytes, position_of(a.bytes, "a.npy", nth), 'b', 1);
  }
  CHECK(refusal(twice.bytes) == "damaged metadata");
}

TEST_CASE("Names that are no line of text are damaged metadata") {
  for (const std::string_view name : {"a\nb", "\xff\xff\xff", "a\x80z"}) {
    Buffer bytes = zip_archive({{"abc.npy", {}, 0}});
    for (std::size_t nth = 0; nth < 2; ++nth) {
      const std::size_t at = position_of(bytes, ".npy", nth) - name.size();
      std::ranges::copy(bytes_of_text(name), bytes.begin() + static_cast<long>(at));
    }
    CHECK(refusal(bytes) == "damaged metadata");
  }
}

TEST_CASE("Volumes of larger archives are an unsupported layout, encrypted members are marked") {
  const Archive a;
  CHECK(refusal(a.with(a.end + 4, 1, 2).bytes) == "unsupported layout");
  CHECK(refusal(a.with(a.end + 6, 1, 2).bytes) == "unsupported layout");
  CHECK(refusal(a.with(a.entry + volume_at, 1, 2).bytes) == "unsupported layout");
  const Buffer encrypted = a.with(a.entry + flags_at, 1, 2).bytes;
  CHECK(ZipDirectory(encrypted).find("b.npy")->encrypted);
  CHECK(ZipDirectory(a.with(a.entry + crc_at, 1, 4).bytes).find("b.npy")->crc32 == 1);
}
