#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/file_summary.h"
#include "io/simplon_message.h"

namespace pnflow {

// Looks through files of messages, event by event: every array is read to its end, so that all
// damage is found, and at most one event is kept. For one thread at a time.
class Inspector {
 public:
  // Keeps event number `event`, counted from 0 through all files in the order of inspect().
  explicit Inspector(std::optional<std::size_t> event) : wanted_(event) {}

  // Never throws for a file that is missing or damaged: the summary says so. A start message of a
  // Simplon series serves the images of this file and of those after it.
  FileSummary inspect(const std::string& path);

  // The event that was asked for; nothing while it has not come.
  const std::optional<EventDetail>& event() const { return event_; }
  std::size_t events() const { return events_; }

 private:
  void add_message(std::span<const std::byte> bytes, FileSummary& summary);
  void add_control(const SimplonMessage& message, std::span<const std::byte> bytes,
                   FileSummary& summary);

  std::optional<std::size_t> wanted_;
  std::optional<EventDetail> event_;
  std::size_t events_ = 0;
  std::map<std::string, std::vector<std::byte>> starts_;  // of Simplon series, by their run
};

}  // namespace pnflow
