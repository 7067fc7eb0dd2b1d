#pragma once

#include <string>
#include <vector>

#include "cli/message_feed.h"

namespace pnflow {

// Messages from files, byte for byte: one file is one message.
class RecordedMessages : public MessageMaker {
 public:
  // Names and patterns ("run/*.bin"); what a pattern finds is sorted. Throws RunError when one of
  // them finds nothing, or a file is empty or not readable.
  explicit RecordedMessages(const std::vector<std::string>& patterns);

  std::optional<std::size_t> size() const override { return files_.size(); }
  // Throws RunError when the file cannot be read any more.
  zmq::message_t make(std::size_t number) override;
  std::optional<std::size_t> events(std::size_t) const override { return {}; }

 private:
  std::vector<std::string> files_;
};

}  // namespace pnflow
