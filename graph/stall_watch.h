#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "graph/engine.h"

namespace pnflow {

// Logs what hangs where, once for each `period` in which messages were alive and none retired.
class StallWatch {
 public:
  // A period of 0 watches nothing.
  StallWatch(std::chrono::nanoseconds period, std::function<RunStatus()> status);
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;
  ~StallWatch();

 private:
  void watch();

  std::chrono::nanoseconds period_;
  std::function<RunStatus()> status_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

// Each node's last message, depth and credits, a line each.
std::string stall_text(const RunStatus& status);

}  // namespace pnflow
