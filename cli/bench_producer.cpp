#include "cli/bench_producer.h"

#include <chrono>

#include "cli/recorded_messages.h"

namespace pnflow {

namespace {

// How soon the end is noticed.
constexpr std::chrono::milliseconds look_around{50};

std::vector<zmq::message_t> read_all(const std::vector<std::string>& patterns) {
  RecordedMessages recorded(patterns);
  std::vector<zmq::message_t> messages;
  for (std::size_t i = 0; i < recorded.size(); ++i) messages.push_back(recorded.make(i));
  return messages;
}

}  // namespace

BenchProducer::BenchProducer(const std::vector<std::string>& patterns, std::size_t endpoints)
    : messages_(read_all(patterns)),
      socket_({.bind = std::vector<std::string>(endpoints, "tcp://127.0.0.1:*")}),
      endpoints_(socket_.bound()),
      thread_([this](const std::stop_token& stop) { send_all(stop); }) {}

void BenchProducer::send_all(const std::stop_token& stop) {
  for (std::size_t i = 0; !stop.stop_requested(); i = (i + 1) % messages_.size()) {
    zmq::message_t message;
    message.copy(messages_[i]);  // shares the payload
    while (!stop.stop_requested() && !socket_.send(message, look_around)) {
    }
  }
}

}  // namespace pnflow
