#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "io/disk_wait.h"

namespace pnflow {

// A file that has its name only once it is complete and on the disk: until commit() it is called
// NAME.partial, in the same directory. Without commit() it is removed in the end, unless keep()
// said that there is something in it worth keeping. Nothing that exists is ever replaced.
// For one thread at a time.
// Every error is a DataError("write") that says path and cause.
class AtomicFile {
 public:
  // Creates `path`.partial. Nothing when `path` or `path`.partial exists. `wait`, which outlives
  // the file, is asked whenever there is no room for it, here and later; nullptr: that is an error.
  static std::optional<AtomicFile> create(const std::filesystem::path& path,
                                          DiskWait* wait = nullptr);
  // The same for a file whose former version, when there is one, commit() replaces.
  static std::optional<AtomicFile> create_next(const std::filesystem::path& path,
                                               DiskWait* wait = nullptr);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  const std::filesystem::path& path() const { return path_; }
  const std::filesystem::path& partial() const { return partial_; }

  // Writes all of `bytes` from byte `offset` on; a long one is handed to the disk at once, so that
  // the final fsync finds little left to do.
  void write_at(std::span<const std::byte> bytes, std::uint64_t offset);
  // Fills `bytes` from byte `offset` on; what lies behind the end reads as 0.
  void read_at(std::span<std::byte> bytes, std::uint64_t offset) const;
  void truncate(std::uint64_t size);

  // fsync, rename (without replacing, but see create_next), fsync of the directory. Once, as the
  // last call.
  void commit();
  // From now on the partial file outlives this object.
  void keep() { keep_ = true; }

 private:
  AtomicFile(std::filesystem::path path, std::filesystem::path partial, int descriptor,
             DiskWait* wait, bool replaces);
  static std::optional<AtomicFile> create(const std::filesystem::path& path, DiskWait* wait,
                                          bool replaces);
  [[noreturn]] void fail(std::string_view what, int error) const;

  std::filesystem::path path_, partial_;
  int descriptor_ = -1;
  DiskWait* wait_ = nullptr;
  bool replaces_ = false;
  bool keep_ = false;
};

// A whole small file, by the same rules. False when the name is taken.
bool write_new_file(const std::filesystem::path& path, std::string_view text,
                    DiskWait* wait = nullptr);
// Appends `text` in one write and makes it durable; `create` demands that the file is new. After an
// error nothing is appended.
void append_to_file(const std::filesystem::path& path, std::string_view text, bool create);

}  // namespace pnflow
