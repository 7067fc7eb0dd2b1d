#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "cli/file_summary.h"
#include "io/message_reader.h"

namespace pnflow {

// The event of a message that is to be kept.
struct WantedEvent {
  std::size_t index = 0;  // in the message
  EventDetail* detail = nullptr;
};

// Reads a message to its end, and adds to `summary` its arrays, its events (images, pixels, times,
// energies) and its damage, and to the wanted event, if it is in this message, its pixels and
// numbers. Returns the number of events: that of the images, without any that of the time stamps.
std::size_t summarize_message(const MessageReader& reader, const WantedEvent& wanted,
                              FileSummary& summary);

}  // namespace pnflow
