#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "nodes/cxi_open_file.h"

namespace pnflow {

// Closes files on a thread of its own, one after the other in the order in which they come, so that
// nobody who fills the next one waits for a disk to sync the last one. Thread-safe.
class CxiCloser {
 public:
  // `close` is called for each file, `idle` when none waits any more; both throw nothing.
  CxiCloser(std::function<void(CxiOpenFile)> close, std::function<void()> idle);
  ~CxiCloser();
  CxiCloser(const CxiCloser&) = delete;
  CxiCloser& operator=(const CxiCloser&) = delete;

  // Waits while too many files wait: the disk sets the pace.
  void take(CxiOpenFile file);
  // All that were taken are closed when it returns; the last call.
  void finish();

 private:
  void run();

  bool empty();

  std::function<void(CxiOpenFile)> close_;
  std::function<void()> idle_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<CxiOpenFile> files_;
  bool finished_ = false;
  std::thread thread_;
};

}  // namespace pnflow
