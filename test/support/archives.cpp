#include "test/support/archives.h"

#include <archive.h>
#include <archive_entry.h>
#include <zip.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

namespace pnflow::test {
namespace {

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(what);
}

}  // namespace

void put_number(std::vector<std::byte>& bytes, std::size_t at, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) {
    bytes.at(at + static_cast<std::size_t>(i)) = static_cast<std::byte>(value >> (8 * i));
  }
}

std::vector<std::byte> npy_file_around(const std::string& dictionary,
                                       std::span<const std::byte> data, int version) {
  const std::string text = dictionary + "\n";
  std::vector<std::byte> npy(version == 1 ? 10 : 12);
  const auto magic = std::as_bytes(std::span("\x93NUMPY", 6));
  std::ranges::copy(magic, npy.begin());
  npy[6] = static_cast<std::byte>(version);
  put_number(npy, 8, text.size(), version == 1 ? 2 : 4);
  const auto text_bytes = std::as_bytes(std::span(text));
  npy.insert(npy.end(), text_bytes.begin(), text_bytes.end());
  npy.insert(npy.end(), data.begin(), data.end());
  return npy;
}

std::vector<std::byte> npy_file(const std::string& descr, const std::string& shape,
                                std::span<const std::byte> data) {
  return npy_file_around(
      "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }", data);
}

std::vector<std::byte> zip_archive(const std::vector<ArchiveEntry>& entries,
                                   const std::string& comment) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* const target = zip_source_buffer_create(nullptr, 0, 0, &error);
  require(target != nullptr, "libzip has no buffer");
  zip_source_keep(target);
  zip_t* const archive = zip_open_from_source(target, ZIP_TRUNCATE, &error);
  require(archive != nullptr, "libzip does not open its buffer");
  for (const ArchiveEntry& entry : entries) {
    zip_source_t* const content =
        zip_source_buffer(archive, entry.content.data(), entry.content.size(), 0);
    const zip_int64_t index = zip_file_add(archive, entry.name.c_str(), content, ZIP_FL_ENC_UTF_8);
    require(index >= 0, "libzip does not add a member");
    const bool stored = entry.deflate_level == 0;
    require(zip_set_file_compression(archive, static_cast<zip_uint64_t>(index),
                                     stored ? ZIP_CM_STORE : ZIP_CM_DEFLATE,
                                     static_cast<zip_uint32_t>(entry.deflate_level)) == 0,
            "libzip does not know a compression");
  }
  zip_set_archive_comment(archive, comment.data(), static_cast<zip_uint16_t>(comment.size()));
  require(zip_close(archive) == 0, "libzip does not write its archive");
  zip_stat_t status;
  require(zip_source_stat(target, &status) == 0 && zip_source_open(target) == 0,
          "libzip has no archive");
  std::vector<std::byte> bytes(status.size);
  require(
      zip_source_read(target, bytes.data(), bytes.size()) == static_cast<zip_int64_t>(bytes.size()),
      "libzip does not give its archive");
  zip_source_close(target);
  zip_source_free(target);
  return bytes;
}

std::vector<std::byte> streamed_archive(const std::vector<ArchiveEntry>& entries, bool zip64) {
  std::vector<std::byte> bytes(1U << 20U);
  for (const ArchiveEntry& entry : entries) bytes.resize(bytes.size() + entry.content.size());
  std::size_t used = 0;
  const std::unique_ptr<archive, int (*)(archive*)> out(archive_write_new(), archive_write_free);
  require(archive_write_set_format_zip(out.get()) == ARCHIVE_OK, "libarchive knows no ZIP");
  archive_write_set_options(out.get(), zip64 ? "zip:zip64" : "zip:!zip64");
  archive_write_set_bytes_in_last_block(out.get(), 1);
  require(archive_write_open_memory(out.get(), bytes.data(), bytes.size(), &used) == ARCHIVE_OK,
          "libarchive does not open its memory");
  for (const ArchiveEntry& entry : entries) {
    if (entry.deflate_level == 0) {
      archive_write_zip_set_compression_store(out.get());
    } else {
      archive_write_zip_set_compression_deflate(out.get());
    }
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> header(archive_entry_new(),
                                                                          archive_entry_free);
    archive_entry_set_pathname(header.get(), entry.name.c_str());
    archive_entry_set_filetype(header.get(), AE_IFREG);
    archive_entry_unset_size(header.get());
    require(archive_write_header(out.get(), header.get()) == ARCHIVE_OK &&
                archive_write_data(out.get(), entry.content.data(), entry.content.size()) ==
                    static_cast<la_ssize_t>(entry.content.size()),
            "libarchive does not write a member");
  }
  require(archive_write_close(out.get()) == ARCHIVE_OK, "libarchive does not end its archive");
  bytes.resize(used);
  return bytes;
}

std::size_t position_of(std::span<const std::byte> bytes, std::string_view pattern,
                        std::size_t nth) {
  const auto wanted = std::as_bytes(std::span(pattern));
  for (auto from = bytes.begin();; ++from) {
    from = std::search(from, bytes.end(), wanted.begin(), wanted.end());
    if (from == bytes.end()) throw std::runtime_error("no such bytes");
    if (nth-- == 0) return static_cast<std::size_t>(from - bytes.begin());
  }
}

}  // namespace pnflow::test
