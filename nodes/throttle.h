#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "graph/node.h"
#include "graph/spec.h"

namespace pnflow {

// A slow stage: passes one message at a time, unchanged, after a delay or at a rate. It waits on a
// thread of its own. An abort ends all waiting at once.
class Throttle : public AsyncTransform {
 public:
  struct Params {
    Duration delay{0};           // time that each message takes
    std::optional<Rate> rate{};  // messages per second, at most
  };
  static void describe(Spec<Params>& spec);

  explicit Throttle(Params params) : params_(params) {}
  ~Throttle() override;
  void open(OpenContext& context) override;
  void submit(Batch batch, Completion completion) override;
  void close() override;

 private:
  struct Waiting {
    Batch batch;
    Completion completion;
  };
  using Clock = std::chrono::steady_clock;

  void pass_messages(const std::stop_token& stop);
  void wait_until(Clock::time_point when, const std::stop_token& stop) const;

  Params params_;
  NodeServices* services_ = nullptr;
  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::deque<Waiting> waiting_;
  std::jthread thread_;
};

}  // namespace pnflow
