#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace pnflow {

// A message of a record, where it lies in the mapped file.
struct RecordedMessage {
  std::span<const std::byte> bytes;
  std::shared_ptr<const std::byte> owner;  // what the bytes live in
  std::int64_t arrival = 0;                // nanoseconds of Unix time
  std::string name;                        // of the member
};

// Whether a file that begins with `bytes` is a tar archive ("ustar" at byte 257), so perhaps a
// record.
bool looks_like_record(std::span<const std::byte> bytes);

// Reads a record (see RecordWriter), or any other tar archive of files, from first to last. The
// file is mapped and nothing is copied: what is not looked at is not read. For one thread at a
// time; the messages may go to others.
class RecordReader {
 public:
  // Throws RunError when the file cannot be read or is not a tar archive.
  explicit RecordReader(const std::filesystem::path& path);
  RecordReader(RecordReader&&) noexcept;
  RecordReader& operator=(RecordReader&&) noexcept;
  ~RecordReader();

  // Nothing at the end of the archive. Throws DataError, with file and number of the message, after
  // which there is nothing more to be had:
  //   "truncated"       the file ends before the archive does, as one that was being written when
  //                     its process was killed; all messages in front of the cut have been given
  //   "damaged record"  a header is not one, or a member is not a file (a link)
  std::optional<RecordedMessage> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pnflow
