#include "io/zmq_pull.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "graph/error.h"

namespace pnflow {

namespace {

bool has_ipv6(const std::vector<std::string>& endpoints) {
  return std::ranges::any_of(endpoints, [](const auto& e) { return e.find('[') != e.npos; });
}

}  // namespace

ZmqPull::ZmqPull(const Options& options)
    : context_(options.io_threads), socket_(context_, zmq::socket_type::pull) {
  set_options(options);
  peers_.emplace(context_, socket_, "pull");
  for (const std::string& endpoint : options.bind) bind(endpoint);
  for (const std::string& endpoint : options.connect) connect(endpoint);
}

void ZmqPull::set_options(const Options& options) {
  socket_.set(zmq::sockopt::rcvhwm, options.receive_queue);
  socket_.set(zmq::sockopt::linger, 0);
  socket_.set(zmq::sockopt::ipv6, has_ipv6(options.bind) || has_ipv6(options.connect));
  // A peer whose machine has gone is noticed after two minutes, not never.
  socket_.set(zmq::sockopt::tcp_keepalive, 1);
  socket_.set(zmq::sockopt::tcp_keepalive_idle, 60);
  socket_.set(zmq::sockopt::tcp_keepalive_intvl, 10);
  socket_.set(zmq::sockopt::tcp_keepalive_cnt, 6);
  socket_.set(zmq::sockopt::reconnect_ivl, 100);  // milliseconds
  socket_.set(zmq::sockopt::reconnect_ivl_max, 2000);
}

void ZmqPull::bind(const std::string& endpoint) {
  try {
    socket_.bind(endpoint);
  } catch (const zmq::error_t& error) {
    throw RunError(fmt::format("cannot bind {}: {}{}", endpoint, error.what(),
                               error.num() == ENODEV ? "; this machine has no such address" : ""));
  }
  bound_.push_back(socket_.get(zmq::sockopt::last_endpoint));
}

void ZmqPull::connect(const std::string& endpoint) {
  try {
    socket_.connect(endpoint);
  } catch (const zmq::error_t& error) {
    throw RunError(fmt::format("cannot connect to {}: {}", endpoint, error.what()));
  }
}

bool ZmqPull::wait(std::chrono::nanoseconds timeout) {
  std::array items{zmq::pollitem_t{socket_.handle(), 0, ZMQ_POLLIN, 0}};
  try {
    return zmq::poll(items, std::chrono::ceil<std::chrono::milliseconds>(timeout)) > 0;
  } catch (const zmq::error_t& error) {
    if (error.num() == EINTR) return false;
    throw;
  }
}

bool ZmqPull::receive(zmq::message_t& message) {
  try {
    return socket_.recv(message, zmq::recv_flags::dontwait).has_value();
  } catch (const zmq::error_t& error) {
    if (error.num() == EINTR) return false;
    throw;
  }
}

void ZmqPull::stop_listening() {
  for (const std::string& endpoint : bound_) socket_.unbind(endpoint);
  bound_.clear();
}

}  // namespace pnflow
