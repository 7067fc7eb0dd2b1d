#pragma once

#include <cstddef>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <zmq.hpp>

#include "io/zmq_push.h"

namespace pnflow {

// A producer inside of the process: sends messages from memory, in a loop, from a thread of its
// own, as fast as they are taken, until it is destroyed.
class BenchProducer {
 public:
  // `patterns`: names and patterns of files that are one message, and of records of many, as in
  // RecordedMessages; all are read now. Opens so many endpoints on this machine. Throws RunError:
  // no such file, no free port.
  BenchProducer(const std::vector<std::string>& patterns, std::size_t endpoints);

  // What to connect to, of each endpoint.
  const std::vector<std::string>& endpoints() const { return endpoints_; }

 private:
  void send_all(const std::stop_token& stop);

  std::vector<zmq::message_t> messages_;
  ZmqPush socket_;
  std::vector<std::string> endpoints_;
  std::jthread thread_;
};

}  // namespace pnflow
