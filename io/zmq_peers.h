#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include <zmq.hpp>

namespace pnflow {

// Who is connected to a ZeroMQ socket, as told by the library's socket monitor
// (zmq_socket_monitor(3)); ZeroMQ itself neither says nor logs it. Made and polled by the thread
// that uses the socket; must be destroyed before the socket.
class ZmqPeers {
 public:
  enum class Change : std::uint8_t {
    connected,  // ours or theirs: a transport connection stands
    disconnected,
    refused,  // it went before it had introduced itself as a fitting socket
  };
  struct Event {
    Change change{};
    std::string endpoint;  // our end: what was bound or connected to
  };

  // `name` must be unique in the context. Throws zmq::error_t.
  ZmqPeers(zmq::context_t& context, zmq::socket_t& socket, const std::string& name);
  ~ZmqPeers();
  ZmqPeers(const ZmqPeers&) = delete;
  ZmqPeers& operator=(const ZmqPeers&) = delete;

  // What has happened since the last call, one at a time; nothing when there is no news. Never
  // blocks. Peers are counted here, so the count is as new as the last call.
  std::optional<Event> next();

  // Connections that stand.
  int count() const { return static_cast<int>(connections_.size()); }
  // Connections that were ever made.
  std::uint64_t total() const { return total_; }

 private:
  zmq::socket_t& socket_;
  zmq::socket_t monitor_;
  std::set<std::uint32_t> connections_;  // file descriptors
  std::uint64_t total_ = 0;
  // Peers that introduced themselves and have not gone. The library does not say which connection
  // a handshake was of, so a refusal is known by the numbers, once fitting peers are all accounted
  // for: a peer that is refused tries again and again.
  std::uint64_t introduced_ = 0;
};

}  // namespace pnflow
