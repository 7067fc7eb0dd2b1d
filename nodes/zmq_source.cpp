#include "nodes/zmq_source.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "io/timestamps.h"

namespace pnflow {

namespace {

using std::chrono::milliseconds;

// How long the source sleeps in poll() at most: it has to notice the end of the run. Events that
// are decoded downstream make no noise here, so with an expected number it looks more often.
constexpr Duration poll_slice = milliseconds(100);
constexpr Duration poll_slice_expecting = milliseconds(25);
// While draining: silence after which nothing more is taken to be in ZeroMQ or on its way, and the
// time for which more than one full queue is taken from producers that go on sending.
constexpr Duration drain_silence = milliseconds(100);
constexpr Duration drain_time = milliseconds(500);

// ZeroMQ 4.3 loses messages over ipc: when a producer closes while the receive queue is full, what
// it has left in the kernel's buffer is thrown away (stream_engine_base.cpp takes the hang-up for
// an error). Over tcp the same producer loses nothing.
std::optional<std::string> wrong_endpoint(const std::vector<std::string>& endpoints) {
  for (const std::string& endpoint : endpoints) {
    if (endpoint.starts_with("ipc://")) {
      return fmt::format(
          "'{}': ZeroMQ loses messages over ipc when a producer closes before they "
          "are taken; tcp://127.0.0.1:5555 does not",
          endpoint);
    }
    if (!endpoint.starts_with("tcp://")) {
      return fmt::format("'{}' is not an endpoint such as tcp://*:5555", endpoint);
    }
  }
  return {};
}

std::string mebibytes(double bytes) { return fmt::format("{:.1f} MiB", bytes / (1024.0 * 1024.0)); }

}  // namespace

void ZmqSource::describe(Spec<Params>& spec) {
  spec.summary("Receives messages through a ZeroMQ PULL socket.");
  spec.adds("wire").dtypes({DType::u8}).rank(1).help("the message's bytes, as they came");
  spec.adds("series_start")
      .dtypes({DType::u8})
      .rank(1)
      .optional()
      .help("bytes of the start message of the Simplon series that an image belongs to");
  spec.param("bind", &Params::bind)
      .help("endpoints to listen on, for producers that connect: tcp://*:5555; port 0: a free one");
  spec.param("connect", &Params::connect)
      .help("endpoints to connect to, for producers that listen: tcp://host:5555");
  spec.param("receive_queue", &Params::receive_queue)
      .range(1, 1'000'000)
      .unit("messages")
      .help("messages of each peer that ZeroMQ may hold beside the window (ZMQ_RCVHWM)");
  spec.param("max_message", &Params::max_message)
      .help("a longer message is dropped once received, and counted as unreadable (too large)");
  spec.param("producers", &Params::producers)
      .range(0, 1'000'000)
      .help("end markers (empty messages) after which the run ends; 0: end markers are ignored");
  spec.param("expected_events", &Params::expected_events)
      .help("events of the run, which ends when they are decoded; 0: not known");
  spec.param("idle_timeout", &Params::idle_timeout)
      .at_least(milliseconds(1))
      .help("after the first message: silence that ends the run; none: never");
  spec.param("start_timeout", &Params::start_timeout)
      .at_least(milliseconds(1))
      .help("time to wait for the first message; none: for ever");
  spec.param("park", &Params::park)
      .range(0, 1'000'000)
      .unit("messages")
      .help(
          "images of a Simplon series that may wait, outside the window, for its start message; "
          "the oldest of more goes on without; 0: none waits");
  spec.param("after_stop", &Params::after_stop)
      .at_least(milliseconds(1))
      .help(
          "after a Simplon series' stop message: silence that ends the run; none: idle_timeout's");
  spec.param("io_threads", &Params::io_threads)
      .range(1, 64)
      .help("threads that ZeroMQ reads its connections with; one serves about 1 GB/s");
  spec.check("bind", [](const Params& p) { return wrong_endpoint(p.bind); });
  spec.check("connect", [](const Params& p) { return wrong_endpoint(p.connect); });
  spec.check("bind", [](const Params& p) -> std::optional<std::string> {
    if (p.bind.empty() && p.connect.empty()) return "'bind' or 'connect' must be given";
    return {};
  });
}

void ZmqSource::open(OpenContext& context) {
  window_ = context.window();
  if (params_.expected_events > 0) context.expect_events(params_.expected_events);
  socket_.emplace(
      ZmqPull::Options{params_.bind, params_.connect, params_.receive_queue, params_.io_threads});
  for (const std::string& endpoint : socket_->bound()) {
    context.services().log(LogLevel::info, "bound " + endpoint);
  }
  for (const std::string& endpoint : params_.connect) {
    context.services().log(LogLevel::info, "connecting to " + endpoint);
  }
}

std::optional<Batch> ZmqSource::receive(SourceContext& context) {
  const Duration slice = params_.expected_events > 0 ? poll_slice_expecting : poll_slice;
  zmq::message_t message;
  // Time spent here is time spent waiting for a producer: while the graph holds the source back,
  // it is not in here.
  auto waiting_since = Clock::now();
  while (!context.stopping()) {
    if (complete(context)) return {};
    follow_peers(context);
    const auto limit = silence_limit();
    const auto deadline = limit ? waiting_since + *limit : Clock::time_point::max();
    const auto wait = std::clamp<Duration>(deadline - Clock::now(), Duration{0}, slice);
    if (!socket_->wait(wait) || !socket_->receive(message)) {
      if (Clock::now() < deadline) continue;
      report_timeout(context);
      return {};
    }
    if (auto batch = accept(std::move(message), context)) return batch;
    waiting_since = Clock::now();
  }
  return drain(context);
}

std::optional<Duration> ZmqSource::silence_limit() const {
  if (!started_) return params_.start_timeout;
  if (!series().stopped() || !params_.after_stop) return params_.idle_timeout;
  return std::min(*params_.after_stop, params_.idle_timeout.value_or(*params_.after_stop));
}

std::optional<Batch> ZmqSource::accept(zmq::message_t message, SourceContext& context) {
  if (message.more()) {
    // ZeroMQ delivers all parts of a message or none: the others are here already.
    std::size_t parts = 1;
    std::size_t bytes = message.size();
    while (message.more() && socket_->receive(message)) {
      ++parts;
      bytes += message.size();
    }
    started_ = true;
    context.unreadable("several frames",
                       fmt::format("{} frames, {} bytes; expected one frame", parts, bytes));
    return {};
  }
  if (message.empty()) {
    started_ = true;
    ++end_markers_;
    context.control_message();
    return {};
  }
  if (!started_) log_memory(message.size(), context);
  started_ = true;
  if (message.size() > params_.max_message.bytes) {
    context.unreadable("too large", fmt::format("{} bytes; max_message is {}", message.size(),
                                                to_string(params_.max_message)));
    return {};
  }
  // A short message lies inside the message object: the address is asked for in its final place.
  const auto owner = std::make_shared<zmq::message_t>(std::move(message));
  std::shared_ptr<const std::byte> data(owner, static_cast<const std::byte*>(owner->data()));
  Batch batch;
  batch.set_message_field("wire", Array(DType::u8, {owner->size()}, std::move(data)));
  batch.set_attribute("arrival", unix_nanoseconds_now());
  switch (series().take(batch)) {
    case SimplonSeries::Verdict::hand_on: return batch;
    case SimplonSeries::Verdict::control: context.control_message(); break;
    case SimplonSeries::Verdict::parked:
      if (!std::exchange(park_logged_, true)) {
        context.log(LogLevel::info,
                    fmt::format("images come before their series' start message; up to {} wait",
                                params_.park));
      }
      break;
  }
  return series().next_free();
}

bool ZmqSource::complete(SourceContext& context) {
  if (params_.producers > 0 && end_markers_ >= params_.producers) {
    context.log(LogLevel::info, fmt::format("{} end marker(s) received, ending", end_markers_));
    if (socket_->wait(Duration{0})) {
      context.log(LogLevel::warn,
                  "messages are waiting behind the last end marker and stay "
                  "unread: is 'producers' the number of producers?");
    }
    return true;
  }
  if (params_.expected_events > 0 && context.decoded_events() >= params_.expected_events) {
    context.log(LogLevel::info,
                fmt::format("{} expected events decoded, ending", params_.expected_events));
    return true;
  }
  return false;
}

void ZmqSource::report_timeout(SourceContext& context) const {
  if (started_) {
    context.log(LogLevel::info,
                fmt::format("no message for {}{}, ending", to_string(*silence_limit()),
                            series().stopped() ? " after a series' stop message" : ""));
  } else {
    context.log(LogLevel::warn, fmt::format("no message within {} of the start, ending",
                                            to_string(*params_.start_timeout)));
  }
}

void ZmqSource::log_memory(std::size_t bytes, SourceContext& context) {
  peers_seen_ = {};
  follow_peers(context);
  const int peers = std::max(1, socket_->peers().count());
  const double size = static_cast<double>(bytes);
  context.log(LogLevel::info,
              fmt::format("first message: {}; window {} + receive queue {} x {} peer(s): up to {} "
                          "of messages as received",
                          mebibytes(size), window_, params_.receive_queue, peers,
                          mebibytes(size * (window_ +
                                            static_cast<double>(params_.receive_queue) * peers))));
}

void ZmqSource::follow_peers(SourceContext& context) {
  const auto now = Clock::now();
  if (now - peers_seen_ < poll_slice) return;
  peers_seen_ = now;
  while (const auto event = socket_->peers().next()) {
    switch (event->change) {
      case ZmqPeers::Change::connected:
        context.log(LogLevel::debug, fmt::format("peer connected ({}), {} in all", event->endpoint,
                                                 socket_->peers().count()));
        break;
      case ZmqPeers::Change::disconnected:
        context.log(LogLevel::debug, fmt::format("peer disconnected ({}), {} left", event->endpoint,
                                                 socket_->peers().count()));
        break;
      case ZmqPeers::Change::refused:
        // Such a peer tries again several times a second.
        if (!std::exchange(refusal_logged_, true)) {
          context.log(LogLevel::warn, fmt::format("a peer at {} was refused: it is not a ZeroMQ "
                                                  "PUSH socket",
                                                  event->endpoint));
        }
        context.count("refused peers");
        break;
    }
  }
}

// What is in ZeroMQ's own queue, up to `receive_queue` messages and one more of each peer, whether
// gone or not, is always taken. PUSH and PULL have no way to hold a producer that we connected to:
// it sends until the socket is closed, and what it has in the kernel's buffers by then is lost.
std::optional<Batch> ZmqSource::drain(SourceContext& context) {
  if (!drain_began_) {
    drain_began_ = Clock::now();
    socket_->stop_listening();
    while (socket_->peers().next()) {
    }
  }
  const auto per_peer = static_cast<std::uint64_t>(params_.receive_queue) + 1;
  const std::uint64_t held = socket_->peers().total() * per_peer;
  zmq::message_t message;
  while (!context.aborting() && socket_->wait(drain_silence)) {
    if (drained_ >= held && Clock::now() - *drain_began_ > drain_time) {
      context.log(LogLevel::warn, "producers go on sending; the socket is closed all the same");
      break;
    }
    if (!socket_->receive(message)) continue;
    ++drained_;
    if (auto batch = accept(std::move(message), context)) return batch;
  }
  return {};
}

}  // namespace pnflow
