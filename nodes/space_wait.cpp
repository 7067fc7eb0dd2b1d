#include "nodes/space_wait.h"

#include <chrono>
#include <thread>

namespace pnflow {
namespace {

constexpr std::chrono::milliseconds pause{50};
constexpr int pauses = 5;  // between two attempts; in between a signal is noticed

}  // namespace

bool SpaceWait::again(const std::string& error, int attempt) {
  if (attempt == 0) {
    const std::lock_guard lock(mutex_);
    if (waiting_++ == 0) {
      services_.log(LogLevel::warn,
                    error +
                        ": waiting until that has passed (on_error: wait); a second signal "
                        "gives up the events that wait");
    }
  }
  for (int i = 0; i < pauses && !services_.aborting(); ++i) std::this_thread::sleep_for(pause);
  return !services_.aborting();
}

void SpaceWait::over(bool written) {
  const std::lock_guard lock(mutex_);
  if (--waiting_ == 0 && written) services_.log(LogLevel::info, "what waited is written: going on");
}

}  // namespace pnflow
