#include "io/zmq_push.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "graph/error.h"

namespace pnflow {

using std::chrono::milliseconds;

ZmqPush::ZmqPush(const Options& options) {
  for (const std::string& endpoint : options.bind) add_lane(endpoint, true, options.send_queue);
  for (const std::string& endpoint : options.connect) add_lane(endpoint, false, options.send_queue);
}

void ZmqPush::add_lane(const std::string& endpoint, bool listens, int send_queue) {
  auto lane = std::make_unique<Lane>();
  lane->socket = zmq::socket_t(context_, zmq::socket_type::push);
  lane->endpoint = endpoint;
  lane->listens = listens;
  lane->socket.set(zmq::sockopt::sndhwm, send_queue);
  lane->socket.set(zmq::sockopt::linger, 0);
  lane->socket.set(zmq::sockopt::ipv6, endpoint.find('[') != endpoint.npos);
  lane->peers.emplace(context_, lane->socket, fmt::format("push-{}", lanes_.size()));
  try {
    if (listens) {
      lane->socket.bind(endpoint);
      lane->endpoint = lane->socket.get(zmq::sockopt::last_endpoint);
    } else {
      lane->socket.connect(endpoint);
    }
  } catch (const zmq::error_t& error) {
    throw RunError(
        fmt::format("cannot {} {}: {}", listens ? "bind" : "connect to", endpoint, error.what()));
  }
  lanes_.push_back(std::move(lane));
}

std::vector<std::string> ZmqPush::bound() const {
  std::vector<std::string> endpoints;
  for (const auto& lane : lanes_) {
    if (lane->listens) endpoints.push_back(lane->endpoint);
  }
  return endpoints;
}

int ZmqPush::count_peers(Lane& lane) {
  while (lane.peers->next()) {
  }
  return lane.peers->count();
}

std::vector<std::string> ZmqPush::without_peer() {
  std::vector<std::string> endpoints;
  for (const auto& lane : lanes_) {
    if (count_peers(*lane) == 0) endpoints.push_back(lane->endpoint);
  }
  return endpoints;
}

bool ZmqPush::send(zmq::message_t& message, milliseconds timeout) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      const std::size_t lane = (turn_ + i) % lanes_.size();
      if (lanes_[lane]->socket.send(message, zmq::send_flags::dontwait)) {
        turn_ = lane + 1;
        return true;
      }
    }
    if (attempt == 1) break;
    std::vector<zmq::pollitem_t> items;
    for (const auto& lane : lanes_) items.push_back({lane->socket.handle(), 0, ZMQ_POLLOUT, 0});
    if (zmq::poll(items, timeout) == 0) break;
  }
  return false;
}

int ZmqPush::send_end_markers(std::size_t endpoint, milliseconds timeout) {
  Lane& lane = *lanes_.at(endpoint);
  // The library serves the peers of one socket in turn, so that each gets one.
  const int wanted = lane.listens ? std::max(1, count_peers(lane)) : 1;
  lane.socket.set(zmq::sockopt::sndtimeo, static_cast<int>(timeout.count()));
  int sent = 0;
  while (sent < wanted && lane.socket.send(zmq::message_t(), zmq::send_flags::none)) ++sent;
  return sent;
}

bool ZmqPush::finish(milliseconds timeout) {
  const auto start = std::chrono::steady_clock::now();
  for (const auto& lane : lanes_) {
    lane->socket.set(zmq::sockopt::linger, static_cast<int>(timeout.count()));
  }
  lanes_.clear();
  context_.close();  // waits as long as LINGER says
  return std::chrono::steady_clock::now() - start < timeout;
}

}  // namespace pnflow
