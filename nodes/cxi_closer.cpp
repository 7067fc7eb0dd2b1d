#include "nodes/cxi_closer.h"

#include <cstddef>
#include <utility>

namespace pnflow {
namespace {

constexpr std::size_t most_waiting = 2;

}  // namespace

CxiCloser::CxiCloser(std::function<void(CxiOpenFile)> close, std::function<void()> idle)
    : close_(std::move(close)), idle_(std::move(idle)), thread_([this] { run(); }) {}

CxiCloser::~CxiCloser() { finish(); }

void CxiCloser::take(CxiOpenFile file) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return files_.size() < most_waiting; });
    files_.push_back(std::move(file));
  }
  changed_.notify_all();
}

void CxiCloser::finish() {
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void CxiCloser::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return finished_ || !files_.empty(); });
    if (files_.empty()) return;
    CxiOpenFile file = std::move(files_.front());
    files_.pop_front();
    lock.unlock();
    changed_.notify_all();
    close_(std::move(file));
    if (empty()) idle_();
  }
}

bool CxiCloser::empty() {
  const std::lock_guard lock(mutex_);
  return files_.empty();
}

}  // namespace pnflow
