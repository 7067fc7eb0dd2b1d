#include "graph/window.h"

#include <algorithm>
#include <chrono>

namespace pnflow {

using namespace std::chrono_literals;

Window::Slot::~Slot() {
  {
    const std::lock_guard lock(window_->mutex_);
    ++window_->free_;
    if (occupied_) --window_->live_;
  }
  window_->freed_.notify_one();
}

void Window::Slot::occupy() {
  const std::lock_guard lock(window_->mutex_);
  occupied_ = true;
  window_->max_live_ = std::max(window_->max_live_, ++window_->live_);
}

std::shared_ptr<Window::Slot> Window::acquire(const std::function<bool()>& give_up) {
  std::unique_lock lock(mutex_);
  while (!freed_.wait_for(lock, 50ms, [this] { return free_ > 0; })) {
    if (give_up()) return nullptr;
  }
  --free_;
  lock.unlock();
  return std::make_shared<Slot>(shared_from_this());
}

int Window::live() const {
  const std::lock_guard lock(mutex_);
  return live_;
}

int Window::max_live() const {
  const std::lock_guard lock(mutex_);
  return max_live_;
}

}  // namespace pnflow
