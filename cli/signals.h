#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace pnflow {

// Keeps SIGINT and SIGTERM from interrupting threads made from now on; SIGPIPE and SIGXFSZ are
// ignored (a peer that is gone, a file at its size limit are errors of the call). Call first in
// main().
void hold_signals();

// SIGPIPE ends the process again, as it ends other filters whose reader has had enough. For
// commands that have no sockets.
void end_on_broken_pipe();

// Waits for SIGINT and SIGTERM on a thread of its own and calls `on_signal` there for each.
class SignalThread {
 public:
  explicit SignalThread(std::function<void()> on_signal);
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;
  ~SignalThread();

 private:
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace pnflow
