#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <zmq.hpp>

#include "io/zmq_peers.h"

namespace pnflow {

// A ZeroMQ PULL socket with its context and the count of its peers. May be handed from one thread
// to another (a thread's start and end are the fences it needs), never used by two at once.
class ZmqPull {
 public:
  struct Options {
    std::vector<std::string> bind;  // endpoints
    std::vector<std::string> connect;
    int receive_queue = 1;  // messages, for each peer (ZMQ_RCVHWM)
    int io_threads = 1;
  };

  // Opens all endpoints. Throws RunError with the endpoint and ZeroMQ's text.
  explicit ZmqPull(const Options& options);

  // Endpoints that it listens on, a wildcard replaced by the real port.
  const std::vector<std::string>& bound() const { return bound_; }
  ZmqPeers& peers() { return *peers_; }

  // Whether a message is there; waits for one for at most `timeout` (or until a signal).
  bool wait(std::chrono::nanoseconds timeout);
  // Takes one part of a message, without waiting. False: there is none.
  bool receive(zmq::message_t& message);
  // Ends the connections of all peers that connected to us, and takes no new ones. Messages that
  // have arrived can still be received. Peers that we connected to stay: ZeroMQ would discard what
  // it holds of them.
  void stop_listening();

 private:
  void set_options(const Options& options);
  void bind(const std::string& endpoint);
  void connect(const std::string& endpoint);

  zmq::context_t context_;
  zmq::socket_t socket_;
  std::optional<ZmqPeers> peers_;
  std::vector<std::string> bound_;
};

}  // namespace pnflow
