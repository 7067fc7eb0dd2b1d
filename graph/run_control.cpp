#include "graph/run_control.h"

#include <cstdlib>

#include "graph/log.h"

namespace pnflow {

namespace {

constexpr int exit_aborted = 130;

[[noreturn]] void exit_now() {
  logger()->flush();
  std::_Exit(exit_aborted);
}

}  // namespace

void RunControl::stop() { stopping_ = true; }

void RunControl::abort() {
  stopping_ = true;
  aborting_ = true;
}

void RunControl::fail(const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    if (error_.empty()) error_ = text;
  }
  logger()->error(text);
  stop();
}

std::string RunControl::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

void RunControl::start_running(const std::function<void()>& announce) {
  const std::lock_guard lock(mutex_);
  announce();
  logger()->flush();
  running_ = true;
}

void RunControl::on_signal() {
  const std::lock_guard lock(mutex_);
  if (!running_) exit_now();
  switch (++signals_) {
    case 1:
      logger()->info("stopping: what has been received is worked off (again: abort)");
      stop();
      break;
    case 2:
      logger()->warn("aborting: what is under way is given up (again: exit at once)");
      abort();
      break;
    default: exit_now();
  }
}

void RunControl::source_started() {
  const std::lock_guard lock(mutex_);
  ++sources_;
}

void RunControl::source_ended() {
  const std::lock_guard lock(mutex_);
  --sources_;
  changed_.notify_all();
}

void RunControl::wait_for_sources() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return sources_ == 0; });
}

}  // namespace pnflow
