#pragma once

#include <cstddef>
#include <mutex>

#include "graph/node.h"

namespace pnflow {

// A message some of whose events are in files that are not closed yet. It is answered when the last
// of them is settled; forgotten before that, its Delivery says so by itself. Thread-safe: events of
// one message may be in several files.
class OwedDelivery {
 public:
  // Owes one answer to whoever makes it, and one to each expect().
  explicit OwedDelivery(Delivery&& delivery) : delivery_(std::move(delivery)) {}

  void expect() {
    const std::lock_guard lock(mutex_);
    ++open_;
  }
  void settle() {
    const std::lock_guard lock(mutex_);
    if (--open_ == 0) std::move(delivery_).deliver();
  }
  // An event that will be in no file; its answer is still owed, if it was expected.
  void lose(std::size_t event) {
    const std::lock_guard lock(mutex_);
    delivery_.fail(event, "write");
  }

 private:
  std::mutex mutex_;
  Delivery delivery_;
  std::size_t open_ = 1;
};

}  // namespace pnflow
