#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "graph/array.h"
#include "graph/mapped_file.h"
#include "io/record_reader.h"

namespace pnflow {

// A file as a sequence of messages: those of a record (see io/record_reader.h), or the file itself
// as the only one. It is mapped; nothing is copied, and nothing is read before it is looked at. For
// one thread at a time; the messages may go to others.
class MessageFile {
 public:
  struct Stored {
    std::string name;                     // of the file, and of the member of a record
    Array bytes;                          // uint8, {bytes}
    std::optional<std::int64_t> arrival;  // nanoseconds of Unix time, of a recorded message
  };

  // Throws RunError when it is not a file that can be read.
  explicit MessageFile(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return file_.bytes(); }
  bool is_record() const { return record_.has_value(); }

  // Nothing when there is no more. Throws what RecordReader::next() throws.
  std::optional<Stored> next();

 private:
  std::filesystem::path path_;
  MappedFile file_;
  std::optional<RecordReader> record_;
  bool given_ = false;  // the file itself
};

}  // namespace pnflow
