#include "cli/recorded_messages.h"

#include <glob.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include <fmt/format.h>

#include "graph/error.h"

namespace pnflow {

namespace {

std::vector<std::string> files_of(const std::string& pattern) {
  glob_t found{};
  const std::unique_ptr<glob_t, decltype(&globfree)> release(&found, globfree);
  if (glob(pattern.c_str(), GLOB_TILDE, nullptr, &found) != 0) {
    throw RunError(fmt::format("no file is called '{}'", pattern));
  }
  return {found.gl_pathv, found.gl_pathv + found.gl_pathc};
}

}  // namespace

RecordedMessages::RecordedMessages(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    for (std::string& file : files_of(pattern)) {
      if (!std::filesystem::is_regular_file(file)) {
        throw RunError(fmt::format("'{}' is not a file", file));
      }
      if (!std::ifstream(file, std::ios::binary)) {
        throw RunError(fmt::format("'{}' cannot be read", file));
      }
      if (std::filesystem::file_size(file) == 0) {
        throw RunError(fmt::format("'{}' is empty: that would be an end marker", file));
      }
      files_.push_back(std::move(file));
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
