#include "io/zmq_peers.h"

#include <cstring>

namespace pnflow {

namespace {

constexpr int watched_events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
                               ZMQ_EVENT_HANDSHAKE_SUCCEEDED;

}  // namespace

ZmqPeers::ZmqPeers(zmq::context_t& context, zmq::socket_t& socket, const std::string& name)
    : socket_(socket), monitor_(context, zmq::socket_type::pair) {
  const std::string address = "inproc://monitor-" + name;
  if (zmq_socket_monitor(socket.handle(), address.c_str(), watched_events) != 0) {
    throw zmq::error_t();
  }
  // The library's I/O thread writes the events with a blocking send: with a bounded queue, many
  // reconnecting peers would stop all traffic while nobody reads them.
  monitor_.set(zmq::sockopt::rcvhwm, 0);
  monitor_.set(zmq::sockopt::linger, 0);
  monitor_.connect(address);
}

// In this order: an event that comes when nobody is there to read it, and it may come at any time,
// would hold the I/O thread, and that the lock which the end of the monitoring takes.
ZmqPeers::~ZmqPeers() {
  zmq_socket_monitor(socket_.handle(), nullptr, 0);
  monitor_.close();
}

std::optional<ZmqPeers::Event> ZmqPeers::next() {
  zmq::message_t head, endpoint;
  while (monitor_.recv(head, zmq::recv_flags::dontwait)) {
    // Two parts: 16 bits of event and 32 bits of value, unaligned, then the endpoint.
    if (!monitor_.recv(endpoint, zmq::recv_flags::dontwait) || head.size() != 6) continue;
    std::uint16_t event = 0;
    std::uint32_t value = 0;
    std::memcpy(&event, head.data(), sizeof event);
    std::memcpy(&value, static_cast<const char*>(head.data()) + sizeof event, sizeof value);
    switch (event) {
      case ZMQ_EVENT_CONNECTED:
      case ZMQ_EVENT_ACCEPTED:
        connections_.insert(value);
        ++total_;
        return Event{Change::connected, endpoint.to_string()};
      case ZMQ_EVENT_DISCONNECTED:
        connections_.erase(value);
        if (introduced_ == 0) return Event{Change::refused, endpoint.to_string()};
        --introduced_;
        return Event{Change::disconnected, endpoint.to_string()};
      case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: ++introduced_; break;
      default: break;
    }
  }
  return {};
}

}  // namespace pnflow
