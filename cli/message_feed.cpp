#include "cli/message_feed.h"

#include <utility>

namespace pnflow {

MessageMaker::~MessageMaker() = default;

MessageFeed::MessageFeed(std::unique_ptr<MessageMaker> maker, std::size_t passes, std::size_t count,
                         std::size_t keep_bytes)
    : maker_(std::move(maker)), passes_(passes), count_(count), keep_bytes_(keep_bytes) {}

std::optional<MessageFeed::Item> MessageFeed::next() {
  if (count_ > 0 && given_ == count_) return {};
  const auto size = maker_->size();
  if (size && number_ == *size) {
    number_ = 0;
    ++pass_;
    if (*size == 0 || (passes_ > 0 && pass_ == passes_)) return {};
  }
  Item item{message(number_), maker_->events(number_).value_or(0), number_};
  const auto first = maker_->arrival(0), now = maker_->arrival(number_);
  if (first && now) item.since_first = std::chrono::nanoseconds(*now - *first);
  ++number_;
  ++given_;
  return item;
}

zmq::message_t MessageFeed::message(std::size_t number) {
  zmq::message_t copy;
  if (number < kept_.size()) {
    copy.copy(kept_[number]);  // shares the payload
    return copy;
  }
  zmq::message_t fresh = maker_->make(number);
  const bool again = passes_ != 1 && maker_->size();
  if (again && number == kept_.size() && fresh.size() <= keep_bytes_) {
    keep_bytes_ -= fresh.size();
    kept_.push_back(std::move(fresh));
    copy.copy(kept_.back());
    return copy;
  }
  return fresh;
}

}  // namespace pnflow
