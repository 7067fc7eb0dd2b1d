#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "io/atomic_file.h"

namespace pnflow {

// Writes messages as they came, and when, to a record: a tar archive in the pax interchange format
// (POSIX.1-2001), one member message_NNNNNNNNNN.bin for each message, whose modification time is
// the time of its arrival to the nanosecond. `tar xf` gives the messages back.
// The file is NAME.partial until committed (see AtomicFile), and can be read up to its last whole
// message before that. Without commit() it stays when there is a message in it.
// For one thread at a time. Every error is a DataError("write") that says path and cause.
class RecordWriter {
 public:
  // Members are numbered from `first` on. Nothing when `path` or `path`.partial exists.
  static std::unique_ptr<RecordWriter> create(const std::filesystem::path& path,
                                              std::uint64_t first = 0);

  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;
  ~RecordWriter();

  // `arrival`: nanoseconds of Unix time. When it throws, the record is as it was before, and can
  // still be committed.
  void add(std::span<const std::byte> message, std::int64_t arrival);
  // Once, as the last call.
  void commit();

  // What a message of that size takes of the file, and what the end of the archive takes.
  static std::uint64_t bytes_of(std::size_t message);
  static constexpr std::uint64_t end_bytes = 1024;

  const std::filesystem::path& path() const { return file_.path(); }
  const std::filesystem::path& partial() const { return file_.partial(); }
  std::uint64_t messages() const { return messages_; }
  // What is in the file, up to the last whole message.
  std::uint64_t bytes() const { return end_; }

 private:
  class Tar;
  RecordWriter(AtomicFile file, std::uint64_t first);

  AtomicFile file_;
  std::uint64_t first_, messages_ = 0;
  std::uint64_t end_ = 0;  // of the last whole message
  std::unique_ptr<Tar> tar_;
};

}  // namespace pnflow
