#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "io/mapped_file.h"

namespace pnflow {

// A file of messages: one that is a message itself, or a record (see io/record_reader.h). It is
// mapped, and nothing of it is read that is not looked at. For one thread at a time.
class MessageFile {
 public:
  // Throws RunError when it is not a file that can be read.
  explicit MessageFile(const std::string& path);

  std::span<const std::byte> bytes() const { return file_.bytes(); }

  bool is_record() const;

  // Gives each message to `take`, from first to last; the bytes live as long as this object. Throws
  // DataError when the record is damaged, after the messages in front of the damage.
  void each(const std::function<void(std::span<const std::byte>)>& take) const;

 private:
  std::string path_;
  MappedFile file_;
};

}  // namespace pnflow
