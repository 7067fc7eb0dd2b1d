#include "graph/stall_watch.h"

#include <fmt/format.h>

#include "graph/log.h"

namespace pnflow {

StallWatch::StallWatch(std::chrono::nanoseconds period, std::function<RunStatus()> status)
    : period_(period), status_(std::move(status)) {
  if (period_.count() > 0) thread_ = std::thread([this] { watch(); });
}

StallWatch::~StallWatch() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_one();
  thread_.join();
}

void StallWatch::watch() {
  std::unique_lock lock(mutex_);
  auto wait = period_;
  while (!ended_.wait_for(lock, wait, [this] { return end_; })) {
    const RunStatus status = status_();
    const bool stalled = status.live_messages > 0 && status.since_retirement >= period_;
    if (stalled) logger()->warn("{}", stall_text(status));
    wait = status.live_messages > 0 && !stalled
               ? period_ - std::min(period_ / 2, status.since_retirement)
               : period_;
  }
}

std::string stall_text(const RunStatus& status) {
  std::string text = fmt::format("nothing has retired for {:.0f} s; {} messages alive of {}:",
                                 std::chrono::duration<double>(status.since_retirement).count(),
                                 status.live_messages, status.window);
  for (const auto& node : status.nodes) {
    text += fmt::format("\n    {:<16} {} messages done, last taken up {}, {} waiting", node.name,
                        node.body.messages, node.body.last_message, node.body.depth);
    if (node.capacity)
      text += fmt::format(", {} of {} credits out", *node.credits_out, *node.capacity);
  }
  return text;
}

}  // namespace pnflow
