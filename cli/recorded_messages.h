#pragma once

#include <string>
#include <vector>

#include "cli/message_feed.h"
#include "io/record_reader.h"

namespace pnflow {

// Messages from files, byte for byte: a file is one message, or a record of many.
class RecordedMessages : public MessageMaker {
 public:
  // Names and patterns ("run/*.bin"); what a pattern finds is sorted. Of a record that is cut off
  // there is what stands in front of the cut, and a warning in the log. Throws RunError when a
  // pattern finds nothing, a file is not readable, or a message is empty.
  explicit RecordedMessages(const std::vector<std::string>& patterns);

  std::optional<std::size_t> size() const override { return messages_.size(); }
  // Of a record's message without a copy. Throws RunError when the file cannot be read any more.
  zmq::message_t make(std::size_t number) override;
  std::optional<std::size_t> events(std::size_t) const override { return {}; }
  std::optional<std::int64_t> arrival(std::size_t number) const override;
  // Throws RunError that names a message whose time of arrival is not known.
  void require_arrivals() const;

 private:
  void add_record(const std::string& file);

  // A message in a record, where it lies; one in a file of its own has only that file's name.
  struct Stored : RecordedMessage {
    bool recorded = false;
  };
  std::vector<Stored> messages_;
};

}  // namespace pnflow
