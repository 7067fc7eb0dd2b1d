#include "cli/signals.h"

#include <csignal>
#include <ctime>
#include <utility>

namespace pnflow {

namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

void hold_signals() {
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

void end_on_broken_pipe() { std::signal(SIGPIPE, SIG_DFL); }

SignalThread::SignalThread(std::function<void()> on_signal)
    : thread_([this, on_signal = std::move(on_signal)] {
        const sigset_t set = ending_signals();
        // A time-out, so that the thread can be ended without a signal of our own.
        const timespec step{.tv_sec = 0, .tv_nsec = 100'000'000};
        while (!ended_) {
          if (sigtimedwait(&set, nullptr, &step) > 0) on_signal();
        }
      }) {}

SignalThread::~SignalThread() {
  ended_ = true;
  thread_.join();
}

}  // namespace pnflow
