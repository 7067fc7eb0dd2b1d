#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pnflow::test {

// An .npy file of version 1 whose dictionary is `descr` (with its quotes), `shape` (with its
// brackets) and C order, and `data` behind it.
std::vector<std::byte> npy_file(const std::string& descr, const std::string& shape,
                                std::span<const std::byte> data);
// The same around any text in place of the dictionary.
std::vector<std::byte> npy_file_around(const std::string& dictionary,
                                       std::span<const std::byte> data = {}, int version = 1);

struct ArchiveEntry {
  std::string name;
  std::vector<std::byte> content;
  int deflate_level = 0;  // 0: stored
};

// An archive made by libzip.
std::vector<std::byte> zip_archive(const std::vector<ArchiveEntry>& entries,
                                   const std::string& comment = "");

// An archive made by libarchive in one go: data descriptors stand behind the members, deflated or
// not, whose sizes are not in the local headers. `zip64` forces the 64-bit extensions.
std::vector<std::byte> streamed_archive(const std::vector<ArchiveEntry>& entries,
                                        bool zip64 = false);

// Where `bytes` has `pattern` for the nth time (from 0). Throws std::runtime_error.
std::size_t position_of(std::span<const std::byte> bytes, std::string_view pattern,
                        std::size_t nth = 0);

// Overwrites `width` bytes at `at` with a little-endian number.
void put_number(std::vector<std::byte>& bytes, std::size_t at, std::uint64_t value, int width);

}  // namespace pnflow::test
