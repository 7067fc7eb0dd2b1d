#include "graph/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace pnflow {

namespace {

constexpr std::size_t alignment = 64;
constexpr std::size_t huge_page = std::size_t{2} << 20U;

// Where blocks of that size begin: large ones where a huge page can.
std::align_val_t alignment_for(std::size_t bytes) {
  return std::align_val_t{bytes >= huge_page ? huge_page : alignment};
}

// Powers of two and the halves between them waste at most a third.
std::size_t size_class(std::size_t bytes) {
  const std::size_t power = std::bit_ceil(std::max(bytes, alignment));
  const std::size_t between = power / 4 * 3;
  return bytes <= between && between >= alignment ? between : power;
}

}  // namespace

MemoryPool::~MemoryPool() = default;

struct BlockPool::State {
  State(Acquire a, Release r) : acquire(std::move(a)), release(std::move(r)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    for (auto& [size, blocks] : kept) {
      for (std::byte* block : blocks) release(block, size);
    }
  }

  Acquire acquire;
  Release release;
  std::mutex mutex;
  std::map<std::size_t, std::vector<std::byte*>> kept;
  std::size_t held = 0;
};

BlockPool::BlockPool(Acquire acquire, Release release)
    : state_(std::make_shared<State>(std::move(acquire), std::move(release))) {}

BlockPool::~BlockPool() = default;

std::shared_ptr<std::byte> BlockPool::allocate(std::size_t bytes) {
  const std::size_t size = size_class(bytes);
  std::byte* block = nullptr;
  {
    const std::lock_guard lock(state_->mutex);
    auto& blocks = state_->kept[size];
    if (!blocks.empty()) {
      block = blocks.back();
      blocks.pop_back();
    } else {
      state_->held += size;
    }
  }
  if (block == nullptr) {
    try {
      block = state_->acquire(size);
    } catch (...) {
      const std::lock_guard lock(state_->mutex);
      state_->held -= size;
      throw;
    }
  }
  // The block's own handle keeps the state, so that blocks may outlive the pool object.
  return {block, [state = state_, size](std::byte* back) {
            const std::lock_guard lock(state->mutex);
            state->kept[size].push_back(back);
          }};
}

std::size_t BlockPool::bytes_held() const {
  const std::lock_guard lock(state_->mutex);
  return state_->held;
}

std::shared_ptr<MemoryPool> heap_pool() {
  static const auto pool = std::make_shared<BlockPool>(
      [](std::size_t bytes) {
        void* const block = ::operator new(bytes, alignment_for(bytes));
        // A hint: images pass in half as much time again through pages of 4 KiB.
        if (bytes >= huge_page) ::madvise(block, bytes, MADV_HUGEPAGE);
        return static_cast<std::byte*>(block);
      },
      [](std::byte* block, std::size_t bytes) { ::operator delete(block, alignment_for(bytes)); });
  return pool;
}

}  // namespace pnflow
