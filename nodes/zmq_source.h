#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <zmq.hpp>

#include "graph/spec.h"
#include "io/zmq_pull.h"
#include "nodes/message_source.h"

namespace pnflow {

// Receives messages through a ZeroMQ PULL socket and hands each on as it came, without a copy:
// message field "wire", uint8, {bytes}, with attribute "arrival" (int64), nanoseconds of Unix time.
// A message has one part; an empty one is an end marker. Start and stop messages of a Simplon
// series stay here; its images have the start as message field "series_start"
// (io/simplon_series.h). The socket is opened and closed on the main thread and used on the
// source's own in between.
class ZmqSource : public MessageSource {
 public:
  struct Params {
    std::vector<std::string> bind{};  // endpoints
    std::vector<std::string> connect{};
    int receive_queue = 1;  // messages, for each peer
    ByteSize max_message{std::uint64_t{4} << 30};
    int producers = 1;                  // end markers that end the run; 0: none does
    std::uint64_t expected_events = 0;  // 0: not known
    std::optional<Duration> idle_timeout{};
    std::optional<Duration> start_timeout{};
    std::size_t park = 64;
    std::optional<Duration> after_stop{std::chrono::seconds(5)};
    int io_threads = 1;
  };
  static void describe(Spec<Params>& spec);

  explicit ZmqSource(Params params) : MessageSource(params.park), params_(std::move(params)) {}
  // Throws RunError when an endpoint cannot be bound or connected to.
  void open(OpenContext& context) override;
  void close() override { socket_.reset(); }

 private:
  using Clock = std::chrono::steady_clock;

  std::optional<Batch> receive(SourceContext& context) override;
  // What is to be handed on once a message was received; nothing when it is booked here, or parked.
  std::optional<Batch> accept(zmq::message_t message, SourceContext& context);
  // Whether the run has what it was to wait for; says so in the log.
  bool complete(SourceContext& context);
  // The silence that ends the run now.
  std::optional<Duration> silence_limit() const;
  void report_timeout(SourceContext& context) const;
  void log_memory(std::size_t bytes, SourceContext& context);
  void follow_peers(SourceContext& context);
  // The rest, once the run is stopping: what ZeroMQ holds already.
  std::optional<Batch> drain(SourceContext& context);

  Params params_;
  int window_ = 1;
  std::optional<ZmqPull> socket_;
  Clock::time_point peers_seen_;  // when the socket's peers were last asked for
  int end_markers_ = 0;
  bool started_ = false;  // the first message is here
  bool refusal_logged_ = false;
  bool park_logged_ = false;
  // Of the drain.
  std::optional<Clock::time_point> drain_began_;
  std::uint64_t drained_ = 0;
};

}  // namespace pnflow
