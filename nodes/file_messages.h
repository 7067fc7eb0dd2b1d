#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "graph/array.h"
#include "io/record_reader.h"

namespace pnflow {

// One file as a sequence of raw messages: those of a record, or the file itself as the only one.
// The file is mapped; nothing is copied, and nothing is read before it is looked at. For one thread
// at a time; the messages may go to others.
class FileMessages {
 public:
  struct RawMessage {
    Array bytes;                          // uint8, {bytes}
    std::optional<std::int64_t> arrival;  // nanoseconds of Unix time, of a recorded message
  };

  // Throws RunError when the file cannot be mapped.
  explicit FileMessages(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  bool is_record() const { return record_.has_value(); }
  // Nothing when there is no more. Throws what RecordReader::next() throws.
  std::optional<RawMessage> next();

 private:
  std::filesystem::path path_;
  std::optional<Array> whole_;  // of a file that is one message, until it is given
  std::optional<RecordReader> record_;
};

}  // namespace pnflow
