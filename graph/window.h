#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

namespace pnflow {

// Bounds the messages alive at once. A source takes a slot before it receives; the slot returns
// when the last handle of the message goes. Thread-safe; slots keep the window alive.
class Window : public std::enable_shared_from_this<Window> {
 public:
  // One message's place. Destroyed: free for another.
  class Slot {
   public:
    explicit Slot(std::shared_ptr<Window> window) : window_(std::move(window)) {}
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot();
    // A message has come to be in it: counted as alive from now on.
    void occupy();

   private:
    std::shared_ptr<Window> window_;
    bool occupied_ = false;
  };

  explicit Window(int size) : free_(size) {}

  // Waits for a slot; nullptr when `give_up` (asked at least every 50 ms) says so.
  std::shared_ptr<Slot> acquire(const std::function<bool()>& give_up);

  // Messages alive now, and at most so far.
  int live() const;
  int max_live() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  int free_;
  int live_ = 0, max_live_ = 0;
};

}  // namespace pnflow
