#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "graph/export.h"

namespace pnflow {

// Where the payload of messages lives. Thread-safe. A block goes back to its pool when the last
// shared_ptr to it goes; blocks keep what they need of the pool alive, so they may outlive it.
class PNFLOW_API MemoryPool {
 public:
  virtual ~MemoryPool();
  // At least `bytes` bytes, aligned to 64 bytes, contents undefined. Throws std::bad_alloc.
  virtual std::shared_ptr<std::byte> allocate(std::size_t bytes) = 0;
};

// A pool that keeps returned blocks in size classes (powers of two and the halves between) for the
// next taker, so that the steady state asks the operating system for nothing and touches no fresh
// page. What it keeps is bounded by what was in use at once, which the window bounds.
class PNFLOW_API BlockPool : public MemoryPool {
 public:
  using Acquire = std::function<std::byte*(std::size_t)>;  // may throw std::bad_alloc
  using Release = std::function<void(std::byte*, std::size_t)>;
  // The backing allocator: for heap memory, or pinned memory of a device.
  BlockPool(Acquire acquire, Release release);
  ~BlockPool() override;

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override;

  // Bytes taken from the backing allocator so far, in use and kept.
  std::size_t bytes_held() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The process's pool of ordinary memory, the default of every node.
PNFLOW_API std::shared_ptr<MemoryPool> heap_pool();

}  // namespace pnflow
