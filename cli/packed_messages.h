#pragma once

#include <memory>

#include "cli/event_supply.h"
#include "cli/message_feed.h"
#include "io/event_messages.h"

namespace pnflow {

struct PackingOptions {
  MessageFormat format = MessageFormat::hdf5;
  std::optional<MessageCompression> compression{};  // none: what the format usually has
  std::size_t events_per_message = 1;               // Simplon: always one
};

// Events as messages of a format; a series of Simplon with its start and, if the events end, its
// stop.
class PackedMessages : public MessageMaker {
 public:
  PackedMessages(std::unique_ptr<EventSupply> events, const PackingOptions& options);

  std::optional<std::size_t> size() const override;
  // Throws RunError and DataError.
  zmq::message_t make(std::size_t number) override;
  // The last message may hold fewer than the others; the start and the stop of a series hold none.
  std::optional<std::size_t> events(std::size_t number) const override;

 private:
  bool is_start(std::size_t number) const { return series_ && number == 0; }
  bool is_stop(std::size_t number) const { return series_ && size() && number + 1 == *size(); }
  // Of the message's first event.
  std::size_t first_event(std::size_t number) const { return (number - (series_ ? 1 : 0)) * full_; }

  std::unique_ptr<EventSupply> events_;
  MessageFormat format_;
  MessageCompression compression_;
  bool series_;
  std::size_t full_;  // events of a message, but for the last
};

}  // namespace pnflow
