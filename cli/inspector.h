#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cli/file_summary.h"
#include "io/message_file.h"
#include "io/simplon_message.h"

namespace pnflow {

// Looks through files of messages, event by event: every array is read to its end, so that all
// damage is found, and at most one event is kept. For one thread at a time.
class Inspector {
 public:
  // `files`: all that will be inspected. The events of a CXI master whose parts are among them are
  // counted there. Keeps event number `event`, counted from 0 through all files in the order of
  // inspect().
  Inspector(std::vector<std::string> files, std::optional<std::size_t> event)
      : all_(std::move(files)), wanted_(event) {}

  // Takes note of the start messages of Simplon series. Call it for all files before inspect():
  // with several ranks images stand in front of their start, perhaps in another file. Of an image
  // only the CBOR map is looked at. Never throws for what is missing or damaged.
  void find_starts(const std::string& path);

  // Never throws for a file that is missing or damaged: the summary says so. An image of a Simplon
  // series has the shape of the latest start of its run before it, else of the first behind it.
  FileSummary inspect(const std::string& path);

  // The event that was asked for; nothing while it has not come.
  const std::optional<EventDetail>& event() const { return event_; }
  std::size_t events() const { return events_; }

 private:
  void add_messages(MessageFile& file, FileSummary& summary);
  // `file`: whose bytes these are; empty for those of a record.
  void add_message(std::span<const std::byte> bytes, const std::string& file, FileSummary& summary);
  void add_control(const SimplonMessage& message, std::span<const std::byte> bytes,
                   FileSummary& summary);

  std::vector<std::string> all_;
  std::optional<std::size_t> wanted_;
  std::optional<EventDetail> event_;
  std::size_t events_ = 0;
  // Start messages of Simplon series by their run; of no run: the one that stands for all.
  std::map<std::string, std::vector<std::byte>> starts_;
};

}  // namespace pnflow
