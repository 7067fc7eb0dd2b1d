#include "cli/push.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "cli/file_events.h"
#include "cli/recorded_messages.h"
#include "cli/signals.h"
#include "cli/simulated_events.h"
#include "graph/error.h"
#include "graph/log.h"
#include "graph/units.h"
#include "io/zmq_push.h"

namespace pnflow {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How soon a signal is noticed.
constexpr milliseconds look_around{50};

struct Sent {
  std::size_t messages = 0;
  std::size_t events = 0;  // of those messages that say
  std::size_t bytes = 0;
  int end_markers = 0;
};

std::unique_ptr<MessageMaker> maker_of(const PushOptions& options) {
  std::unique_ptr<EventSupply> events;
  if (options.simulate) {
    events = std::make_unique<SimulatedEvents>(options.simulation, options.count);
  } else if (options.pack) {
    events = std::make_unique<FileEvents>(options.files, options.count);
  }
  if (events) return std::make_unique<PackedMessages>(std::move(events), options.packing);
  auto recorded = std::make_unique<RecordedMessages>(options.files);
  if (options.recorded_pace) recorded->require_arrivals();
  return recorded;
}

class Pusher {
 public:
  Pusher(const PushOptions& options, MessageFeed feed)
      : options_(options),
        feed_(std::move(feed)),
        socket_({options.bind, options.connect, options.send_queue}),
        signals_([this] {
          // A second signal: what is still to be sent is given up.
          if (interrupted_.exchange(true)) std::_Exit(130);
        }) {}

  int run() {
    for (const std::string& endpoint : socket_.bound()) logger()->info("push: bound {}", endpoint);
    wait_for_peers();
    const auto start = Clock::now();
    send_all();
    if (options_.end) send_end_markers();
    const bool all_sent = socket_.finish(options_.linger);
    print_summary(std::chrono::duration<double>(Clock::now() - start).count());
    if (!all_sent) {
      logger()->error("push: not all of that could be delivered within {}",
                      to_string(Duration(options_.linger)));
    }
    return all_sent ? 0 : 1;
  }

 private:
  void wait_for_peers() {
    const auto deadline = Clock::now() + options_.timeout;
    for (auto missing = socket_.without_peer(); !missing.empty() && !interrupted_;
         missing = socket_.without_peer()) {
      if (Clock::now() >= deadline) no_peer(missing.front());
      std::this_thread::sleep_for(milliseconds(5));
    }
  }

  [[noreturn]] void no_peer(const std::string& endpoint) const {
    throw RunError(fmt::format("nobody is connected to {} for {}", endpoint,
                               to_string(Duration(options_.timeout))));
  }

  void send_all() {
    const auto interval = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(options_.rate > 0 ? 1 / options_.rate : 0));
    auto due = Clock::now(), pass_began = due;
    while (!interrupted_) {
      auto item = feed_.next();
      if (!item) return;
      if (options_.recorded_pace) {
        if (item->number == 0) pass_began = Clock::now();
        due = pass_began + item->since_first;
      }
      wait_until(due);
      due = std::max(due + interval, Clock::now() - look_around);
      const std::size_t bytes = item->message.size();
      if (!send(item->message)) return;
      ++sent_.messages;
      sent_.events += item->events;
      sent_.bytes += bytes;
    }
  }

  void wait_until(Clock::time_point due) const {
    for (auto now = Clock::now(); now < due && !interrupted_; now = Clock::now()) {
      std::this_thread::sleep_until(std::min<Clock::time_point>(due, now + look_around));
    }
  }

  // A slow pipeline is waited for; none at all only for so long. False: a signal came.
  bool send(zmq::message_t& message) {
    auto peers_seen = Clock::now();
    while (!interrupted_) {
      if (socket_.send(message, look_around)) return true;
      const auto missing = socket_.without_peer();
      if (missing.size() < socket_.endpoints()) peers_seen = Clock::now();
      if (Clock::now() - peers_seen >= options_.timeout) no_peer(missing.front());
    }
    return false;
  }

  void send_end_markers() {
    for (std::size_t i = 0; i < socket_.endpoints(); ++i) {
      sent_.end_markers += socket_.send_end_markers(i, options_.linger);
    }
  }

  void print_summary(double seconds) const {
    const double megabytes = static_cast<double>(sent_.bytes) / 1e6;
    const double rate = seconds > 0 ? megabytes / seconds : 0;
    fmt::print("{}{} messages{}, {:.1f} MB in {:.2f} s, {:.1f} MB/s; {} end marker(s)\n",
               interrupted_ ? "interrupted; " : "", sent_.messages,
               sent_.events > 0 ? fmt::format(", {} events", sent_.events) : "", megabytes, seconds,
               rate, sent_.end_markers);
  }

  const PushOptions& options_;
  MessageFeed feed_;
  ZmqPush socket_;
  Sent sent_;
  std::atomic<bool> interrupted_{false};
  SignalThread signals_;
};

}  // namespace

int push_messages(const PushOptions& options) {
  std::optional<MessageFeed> feed;
  try {
    const bool packs = options.simulate || options.pack;
    feed.emplace(maker_of(options), options.loop, packs ? 0 : options.count);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pnflow push: {}\n", error.what());
    return 2;
  }
  try {
    return Pusher(options, std::move(*feed)).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "pnflow push: {}\n", error.what());
    return 1;
  }
}

}  // namespace pnflow
