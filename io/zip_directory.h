#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pnflow {

// One file of a ZIP archive, where it lies in it.
struct ZipMember {
  static constexpr unsigned stored_method = 0;
  static constexpr unsigned deflate_method = 8;

  std::string name;
  unsigned method = stored_method;
  bool encrypted = false;
  std::uint32_t crc32 = 0;          // of the content
  std::uint64_t size = 0;           // of the content
  std::span<const std::byte> data;  // of the content as it is stored
};

// The central directory of a ZIP archive that is all of a message: which files there are, and where
// (PKWARE's APPNOTE.TXT 6.3.10; with the extensions for 64-bit sizes). What the local headers say
// of sizes and checksums is not looked at, so that archives written in one go, whose sizes stand
// behind the data, are read like others. Immutable; `bytes` must outlive it. The work is
// proportional to the directory's size, whatever stands in it.
class ZipDirectory {
 public:
  // Throws DataError: "truncated" when the record that ends an archive does not end `bytes`;
  // "damaged metadata" when the directory contradicts itself or the local headers, when members
  // lie outside or share bytes, and when two have one name or a name is not a line of UTF-8;
  // "unsupported layout" for one volume of several.
  explicit ZipDirectory(std::span<const std::byte> bytes);

  // Sorted by name.
  const std::vector<ZipMember>& members() const { return members_; }
  // nullptr when there is none.
  const ZipMember* find(std::string_view name) const;

 private:
  std::vector<ZipMember> members_;
};

}  // namespace pnflow
