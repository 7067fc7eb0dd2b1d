#include "cli/signals.h"

#include <csignal>
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
        while (true) {
          int number = 0;
          sigwait(&set, &number);
          if (ended_) return;
          on_signal();
        }
      }) {}

SignalThread::~SignalThread() {
  ended_ = true;
  pthread_kill(thread_.native_handle(), SIGINT);  // to this thread alone, which waits for it
  thread_.join();
}

}  // namespace pnflow
