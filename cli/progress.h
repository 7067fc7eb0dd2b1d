#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "graph/engine.h"

namespace pnflow {

// Shows how a run stands: on a terminal one line that is rewritten twice a second, elsewhere a log
// line every ten seconds.
class Progress {
 public:
  explicit Progress(std::function<RunStatus()> status);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

 private:
  void show();

  std::function<RunStatus()> status_;
  bool terminal_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

// "00:12 1203 events, 98.4/s, hits 31%, q1 8/8 q2 2/8 live 14/24, ETA 00:40". `rate` is events per
// second of late.
std::string progress_line(const RunStatus& status, double rate);

}  // namespace pnflow
