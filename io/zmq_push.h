#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <zmq.hpp>

#include "io/zmq_peers.h"

namespace pnflow {

// The sending side: one ZeroMQ PUSH socket for each endpoint, served in turn by us and not by the
// library, so that every endpoint can be given an end marker. Used by one thread.
class ZmqPush {
 public:
  struct Options {
    std::vector<std::string> bind{};
    std::vector<std::string> connect{};
    int send_queue = 5;  // messages, for each peer (ZMQ_SNDHWM)
  };

  // Opens all endpoints. Throws RunError with the endpoint and ZeroMQ's text.
  explicit ZmqPush(const Options& options);

  // Endpoints that it listens on, a wildcard replaced by the real port.
  std::vector<std::string> bound() const;
  // The endpoints to which nobody is connected now.
  std::vector<std::string> without_peer();

  // Gives the message to the next endpoint in turn that takes it. False: none did within
  // `timeout`; the message is still whole.
  bool send(zmq::message_t& message, std::chrono::milliseconds timeout);

  std::size_t endpoints() const { return lanes_.size(); }
  // Sends an empty message to each peer of one endpoint, by index; returns how many were taken
  // within `timeout`.
  int send_end_markers(std::size_t endpoint, std::chrono::milliseconds timeout);

  // Closes the sockets once everything is handed to the operating system. False: that did not
  // happen within `timeout`, and the rest is lost. Nothing can be sent afterwards.
  bool finish(std::chrono::milliseconds timeout);

 private:
  struct Lane {
    zmq::socket_t socket;
    std::string endpoint;
    bool listens = false;
    std::optional<ZmqPeers> peers;  // goes before the socket
  };

  void add_lane(const std::string& endpoint, bool listens, int send_queue);
  static int count_peers(Lane& lane);

  zmq::context_t context_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::size_t turn_ = 0;
};

}  // namespace pnflow
