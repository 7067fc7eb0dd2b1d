#include "io/zip_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "graph/error.h"
#include "io/byte_cursor.h"
#include "io/utf8.h"

namespace pnflow {
namespace {

using ConstBytes = std::span<const std::byte>;

constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::uint32_t entry_signature = 0x02014b50;
constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::uint32_t end64_signature = 0x06064b50;
constexpr std::uint32_t locator64_signature = 0x07064b50;
constexpr std::size_t local_bytes = 30;  // without name and extra fields
constexpr std::size_t end_bytes = 22;
constexpr std::size_t end64_bytes = 56;
constexpr std::size_t locator64_bytes = 20;
constexpr std::size_t max_comment_bytes = 0xffff;
constexpr std::uint16_t extra64 = 0x0001;
constexpr unsigned encryption_flags = 1U << 0U | 1U << 6U | 1U << 13U;

[[noreturn]] void damaged(const std::string& what) {
  throw DataError("damaged metadata", "ZIP archive: " + what);
}

ByteCursor cursor_at(ConstBytes bytes, std::uint64_t offset) {
  ByteCursor cursor(bytes, "damaged metadata");
  cursor.take(offset);
  return cursor;
}

// A number of 16 or 32 bits that is all ones stands for a longer one elsewhere.
template <std::unsigned_integral T>
bool is_elsewhere(T number) {
  return number == std::numeric_limits<T>::max();
}

// The directory, as the record at the end of an archive describes it.
struct DirectoryPlace {
  std::uint64_t entries = 0, offset = 0, size = 0;
};

void check_one_volume(std::uint64_t this_volume, std::uint64_t directory_volume,
                      std::uint64_t entries_here, std::uint64_t entries) {
  if (this_volume == 0 && directory_volume == 0 && entries_here == entries) return;
  throw DataError("unsupported layout", "a ZIP archive of several volumes");
}

// The 64-bit record, which a locator in front of the end record leads to, if there is one.
std::optional<DirectoryPlace> find_place64(ConstBytes bytes, std::size_t end) {
  if (end < locator64_bytes) return std::nullopt;
  const std::size_t locator_at = end - locator64_bytes;
  ByteCursor locator = cursor_at(bytes, locator_at);
  if (locator.number<std::uint32_t>() != locator64_signature) return std::nullopt;
  const auto volume = locator.number<std::uint32_t>();
  const auto offset = locator.number<std::uint64_t>();
  const auto volumes = locator.number<std::uint32_t>();
  check_one_volume(volume, volumes > 1 ? 1 : 0, 0, 0);

  ByteCursor record = cursor_at(bytes.first(locator_at), offset);
  if (record.left() < end64_bytes || record.number<std::uint32_t>() != end64_signature) {
    damaged("no 64-bit end record where its locator leads to");
  }
  const auto record_size = record.number<std::uint64_t>();
  if (record_size != record.left()) damaged("64-bit end record of a wrong size");
  record.take(4);  // versions
  const auto this_volume = record.number<std::uint32_t>();
  const auto directory_volume = record.number<std::uint32_t>();
  const auto entries_here = record.number<std::uint64_t>();
  DirectoryPlace place;
  place.entries = record.number<std::uint64_t>();
  place.size = record.number<std::uint64_t>();
  place.offset = record.number<std::uint64_t>();
  check_one_volume(this_volume, directory_volume, entries_here, place.entries);
  if (place.offset > offset || place.size != offset - place.offset) {
    damaged("the directory does not reach to its 64-bit end record");
  }
  return place;
}

DirectoryPlace read_place(ConstBytes bytes, std::size_t end) {
  ByteCursor record = cursor_at(bytes, end + 4);
  const auto this_volume = record.number<std::uint16_t>();
  const auto directory_volume = record.number<std::uint16_t>();
  const auto entries_here = record.number<std::uint16_t>();
  const auto entries = record.number<std::uint16_t>();
  const auto size = record.number<std::uint32_t>();
  const auto offset = record.number<std::uint32_t>();
  if (const auto place = find_place64(bytes, end)) {
    const auto agrees = [](auto number, std::uint64_t longer) {
      return is_elsewhere(number) || number == longer;
    };
    if (!agrees(entries, place->entries) || !agrees(size, place->size) ||
        !agrees(offset, place->offset)) {
      damaged("the two end records differ");
    }
    return *place;
  }
  check_one_volume(this_volume, directory_volume, entries_here, entries);
  if (offset > end || size != end - offset) {
    damaged("the directory does not reach to its end record");
  }
  return {entries, offset, size};
}

// The end record is followed by a comment of up to 64 KiB, and its last number is how long that is.
DirectoryPlace find_place(ConstBytes bytes) {
  for (std::size_t comment = 0; comment <= max_comment_bytes; ++comment) {
    if (bytes.size() < end_bytes + comment) break;
    const std::size_t end = bytes.size() - end_bytes - comment;
    const ConstBytes record = bytes.subspan(end);
    if (little_endian<std::uint32_t>(record) == end_signature &&
        little_endian<std::uint16_t>(record.subspan(end_bytes - 2)) == comment) {
      return read_place(bytes, end);
    }
  }
  throw DataError("truncated",
                  fmt::format("a ZIP archive of {} bytes without its end record", bytes.size()));
}

// The 64-bit extra field holds, in this order, those numbers that do not fit where they belong.
void read_extra64(ConstBytes extra, std::uint64_t& size, std::uint64_t& stored_size,
                  std::uint64_t& offset, std::uint32_t& volume) {
  const auto is_full = [](std::uint64_t number) { return number == 0xffffffffU; };
  const bool volume_full = volume == 0xffffU;
  if (!is_full(size) && !is_full(stored_size) && !is_full(offset) && !volume_full) return;
  ByteCursor fields(extra, "damaged metadata");
  while (fields.left() > 0) {
    const auto id = fields.number<std::uint16_t>();
    ByteCursor field(fields.take(fields.number<std::uint16_t>()), "damaged metadata");
    if (id != extra64) continue;
    for (std::uint64_t* number : {&size, &stored_size, &offset}) {
      if (is_full(*number)) *number = field.number<std::uint64_t>();
    }
    if (volume_full) volume = field.number<std::uint32_t>();
    return;
  }
}

struct Extent {
  std::uint64_t begin = 0, end = 0;  // from the local header to the last byte of the data
};

// Reads the next entry of the directory, and the local header that it leads to. Members lie in
// `files`, which is what stands in front of the directory.
ZipMember read_member(ByteCursor& directory, ConstBytes files, Extent& extent) {
  if (directory.number<std::uint32_t>() != entry_signature) damaged("no entry where one is due");
  directory.take(4);  // versions
  const unsigned flags = directory.number<std::uint16_t>();
  ZipMember member;
  member.encrypted = (flags & encryption_flags) != 0;
  member.method = directory.number<std::uint16_t>();
  directory.take(4);  // time and date
  member.crc32 = directory.number<std::uint32_t>();
  std::uint64_t stored_size = directory.number<std::uint32_t>();
  member.size = directory.number<std::uint32_t>();
  const auto name_bytes = directory.number<std::uint16_t>();
  const auto extra_bytes = directory.number<std::uint16_t>();
  const auto comment_bytes = directory.number<std::uint16_t>();
  std::uint32_t volume = directory.number<std::uint16_t>();
  directory.take(6);  // attributes
  std::uint64_t offset = directory.number<std::uint32_t>();
  member.name = directory.text(name_bytes);
  read_extra64(directory.take(extra_bytes), member.size, stored_size, offset, volume);
  directory.take(comment_bytes);
  check_one_volume(volume, 0, 0, 0);
  if (!is_one_line(member.name)) {
    damaged(fmt::format("a member of the name {:?}", member.name));
  }

  ByteCursor local = cursor_at(files, offset);
  if (local.left() < local_bytes || local.number<std::uint32_t>() != local_signature) {
    damaged(fmt::format("{} does not lie where the directory says", member.name));
  }
  local.take(4);  // version and flags
  const unsigned local_method = local.number<std::uint16_t>();
  local.take(16);  // time, date, checksum and sizes
  const auto local_name_bytes = local.number<std::uint16_t>();
  const auto local_extra_bytes = local.number<std::uint16_t>();
  if (local.text(local_name_bytes) != member.name || local_method != member.method) {
    damaged(fmt::format("{} is something else in its own header", member.name));
  }
  local.take(local_extra_bytes);
  member.data = local.take(stored_size);
  extent = {offset, local.position()};
  return member;
}

}  // namespace

ZipDirectory::ZipDirectory(std::span<const std::byte> bytes) {
  const DirectoryPlace place = find_place(bytes);
  ByteCursor directory(bytes.subspan(place.offset, place.size), "damaged metadata");
  std::vector<Extent> extents;
  while (directory.left() > 0) {
    members_.push_back(read_member(directory, bytes.first(place.offset), extents.emplace_back()));
  }
  if (members_.size() != place.entries) {
    damaged(fmt::format("{} members where {} were announced", members_.size(), place.entries));
  }
  std::ranges::sort(extents, {}, &Extent::begin);
  for (std::size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].begin < extents[i - 1].end) damaged("members that overlap");
  }
  std::ranges::sort(members_, {}, &ZipMember::name);
  const auto twice = std::ranges::adjacent_find(members_, {}, &ZipMember::name);
  if (twice != members_.end()) damaged(fmt::format("two members {}", twice->name));
}

const ZipMember* ZipDirectory::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(members_, name, {}, &ZipMember::name);
  return found != members_.end() && found->name == name ? &*found : nullptr;
}

}  // namespace pnflow
