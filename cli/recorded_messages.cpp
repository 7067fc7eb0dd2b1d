#include "cli/recorded_messages.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "graph/error.h"
#include "io/find_files.h"

namespace pnflow {

RecordedMessages::RecordedMessages(const std::vector<std::string>& patterns)
    : files_(find_files(patterns)) {
  for (const std::string& file : files_) {
    if (std::filesystem::file_size(file) == 0) {
      throw RunError(fmt::format("'{}' is empty: that would be an end marker", file));
    }
  }
}

zmq::message_t RecordedMessages::make(std::size_t number) {
  const std::string& file = files_.at(number);
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  zmq::message_t message(in ? static_cast<std::size_t>(in.tellg()) : 0);
  in.seekg(0);
  if (!in.read(static_cast<char*>(message.data()), static_cast<std::streamsize>(message.size()))) {
    throw RunError(fmt::format("'{}' cannot be read", file));
  }
  return message;
}

}  // namespace pnflow
