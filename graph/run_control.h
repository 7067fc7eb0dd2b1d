#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>

#include "graph/export.h"

namespace pnflow {

// The state of one run: starting -> running -> draining -> done, and what has been asked of it.
// Thread-safe.
class PNFLOW_API RunControl {
 public:
  // The sources shall end; what is under way is worked off.
  void stop();
  // Bodies shall return at once; what is under way fails as "aborted".
  void abort();
  // As stop(), and the run ends with exit code 1 and this text (of several, the first).
  void fail(const std::string& text);

  bool stopping() const noexcept { return stopping_; }
  bool aborting() const noexcept { return aborting_; }
  std::string error() const;

  // All is open: from now on a signal drains. `announce` runs with signals held off, so that who
  // has seen its line knows that the run is under way.
  void start_running(const std::function<void()>& announce);

  // SIGINT or SIGTERM. Before start_running() it ends the process with 130 at once: nothing has
  // been consumed or written. Then the first stops, the second aborts, the third ends the process.
  void on_signal();

  // A source has ended; waits until all have.
  void source_started();
  void source_ended();
  void wait_for_sources();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> stopping_{false}, aborting_{false};
  bool running_ = false;
  int signals_ = 0;
  int sources_ = 0;
  std::string error_;
};

}  // namespace pnflow
