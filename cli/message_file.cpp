#include "cli/message_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "graph/error.h"
#include "io/record_reader.h"

namespace pnflow {
namespace {

// Mapping a directory or a pipe fails in words that nobody understands, or blocks.
const std::string& require_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error)) {
    throw RunError(fmt::format("'{}' is not a file", path));
  }
  return path;
}

}  // namespace

MessageFile::MessageFile(const std::string& path) : path_(path), file_(require_file(path)) {}

bool MessageFile::is_record() const { return looks_like_record(bytes()); }

void MessageFile::each(const std::function<void(std::span<const std::byte>)>& take) const {
  if (!is_record()) {
    take(bytes());
    return;
  }
  RecordReader record(path_);
  while (const auto message = record.next()) take(message->bytes);
}

}  // namespace pnflow
