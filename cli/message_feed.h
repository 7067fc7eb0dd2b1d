#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <zmq.hpp>

namespace pnflow {

// Makes the messages that `pnflow push` sends, each from its number alone. Used by one thread.
class MessageMaker {
 public:
  MessageMaker() = default;
  MessageMaker(const MessageMaker&) = delete;
  MessageMaker& operator=(const MessageMaker&) = delete;
  virtual ~MessageMaker();
  // Messages that there are; nothing: without end.
  virtual std::optional<std::size_t> size() const = 0;
  virtual zmq::message_t make(std::size_t number) = 0;
  // Events in the message; nothing: not known.
  virtual std::optional<std::size_t> events(std::size_t number) const = 0;
  // When the message was received that this one repeats, nanoseconds of Unix time; nothing, as by
  // default: not known.
  virtual std::optional<std::int64_t> arrival(std::size_t) const { return {}; }
};

// The messages of a maker in order, once or several times over. When they are sent more than once
// they are kept, up to `keep_bytes` of them, so that neither disk nor simulation limits the rate.
class MessageFeed {
 public:
  struct Item {
    zmq::message_t message{};
    std::size_t events = 0;  // 0: not known, or none
    std::size_t number = 0;  // of the message in its pass
    // After the first message of the pass, by the times of arrival; 0 when they are not known.
    std::chrono::nanoseconds since_first{0};
  };

  // `passes`: how often all of them are sent, 0: without end. `count`: messages to send at most,
  // 0: no limit. A maker without end is played once.
  MessageFeed(std::unique_ptr<MessageMaker> maker, std::size_t passes, std::size_t count,
              std::size_t keep_bytes = std::size_t{4} << 30);

  // Nothing: all are sent. Throws what the maker throws.
  std::optional<Item> next();

 private:
  zmq::message_t message(std::size_t number);

  std::unique_ptr<MessageMaker> maker_;
  std::size_t passes_, count_, keep_bytes_;
  std::size_t number_ = 0, pass_ = 0, given_ = 0;
  std::vector<zmq::message_t> kept_;
};

}  // namespace pnflow
