#include "cli/packed_messages.h"

#include <algorithm>
#include <utility>

namespace pnflow {

PackedMessages::PackedMessages(std::unique_ptr<EventSupply> events, const PackingOptions& options)
    : events_(std::move(events)),
      format_(options.format),
      compression_(options.compression.value_or(usual_compression(options.format))),
      series_(has_series(options.format)),
      full_(series_ ? 1 : options.events_per_message) {}

std::optional<std::size_t> PackedMessages::size() const {
  const auto events = events_->size();
  if (!events) return {};
  return (*events + full_ - 1) / full_ + (series_ && *events > 0 ? 2 : 0);
}

std::optional<std::size_t> PackedMessages::events(std::size_t number) const {
  if (is_start(number) || is_stop(number)) return 0;
  const auto all = events_->size();
  return all ? std::min(full_, *all - first_event(number)) : full_;
}

zmq::message_t PackedMessages::make(std::size_t number) {
  if (is_start(number)) {
    return zmq::message_t(
        write_series_start(events_->dtype(), events_->event_shape(), events_->timestamp(0)));
  }
  if (is_stop(number)) {
    return zmq::message_t(write_series_stop(events_->timestamp(*events_->size() - 1)));
  }
  const SuppliedEvents events = events_->read(first_event(number), *this->events(number));
  return zmq::message_t(write_event_message(
      format_, compression_,
      {events_->dtype(), events.shape, events.pixels, events.timestamps, events.wavelengths}));
}

}  // namespace pnflow
