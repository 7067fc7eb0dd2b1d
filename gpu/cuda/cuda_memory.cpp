#include "gpu/cuda/cuda_memory.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <mutex>
#include <new>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/placement.h"

namespace pnflow {

namespace {

constexpr std::size_t smallest_pinned = std::size_t{64} << 10U;

std::atomic<std::uint64_t>& held(MemoryKind kind) {
  MemoryCounts& counts = memory_counts();
  return kind == MemoryKind::device ? counts.device_bytes : counts.pinned_bytes;
}

cudaError_t allocate(MemoryKind kind, std::size_t bytes, void*& memory) {
  ++memory_counts().allocations;
  const cudaError_t code = kind == MemoryKind::device
                               ? cudaMalloc(&memory, bytes)
                               : cudaHostAlloc(&memory, bytes, cudaHostAllocPortable);
  if (code == cudaSuccess) held(kind) += bytes;
  return code;
}

// Errors do not matter here: memory goes last, maybe after its device has failed.
void release(MemoryKind kind, void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr) return;
  static_cast<void>(kind == MemoryKind::device ? cudaFree(memory) : cudaFreeHost(memory));
  held(kind) -= bytes;
}

class PinnedPool : public MemoryPool {
 public:
  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    return bytes < smallest_pinned ? heap_pool()->allocate(bytes) : blocks_.allocate(bytes);
  }

  void add_nodes(const std::vector<int>& nodes) {
    const std::lock_guard lock(mutex_);
    for (const int node : nodes) {
      if (std::ranges::find(nodes_, node) == nodes_.end()) nodes_.push_back(node);
    }
  }

 private:
  std::vector<int> nodes() {
    const std::lock_guard lock(mutex_);
    return nodes_;
  }

  std::mutex mutex_;
  std::vector<int> nodes_;
  BlockPool blocks_{
      [this](std::size_t bytes) {
        const MemoryFrom from(nodes());
        void* memory = nullptr;
        if (pnflow::allocate(MemoryKind::pinned, bytes, memory) != cudaSuccess) {
          static_cast<void>(cudaGetLastError());
          throw std::bad_alloc();
        }
        return static_cast<std::byte*>(memory);
      },
      [](std::byte* block, std::size_t bytes) { release(MemoryKind::pinned, block, bytes); }};
};

const std::shared_ptr<PinnedPool>& the_pinned_pool() {
  // Never destroyed: blocks may be given back after the CUDA runtime has gone.
  static const auto& pool = *new std::shared_ptr<PinnedPool>(std::make_shared<PinnedPool>());
  return pool;
}

}  // namespace

MemoryCounts& memory_counts() {
  static MemoryCounts counts;
  return counts;
}

CudaBuffer::~CudaBuffer() { release(kind_, data_, bytes_); }

void CudaBuffer::reserve(std::size_t bytes) {
  if (bytes <= bytes_) return;
  release(kind_, std::exchange(data_, nullptr), std::exchange(bytes_, 0));
  void* memory = nullptr;
  check(allocate(kind_, bytes, memory),
        kind_ == MemoryKind::device ? "cudaMalloc" : "cudaHostAlloc");
  data_ = static_cast<std::byte*>(memory);
  bytes_ = bytes;
}

std::shared_ptr<MemoryPool> pinned_pool() { return the_pinned_pool(); }

void add_pinned_pool_nodes(const std::vector<int>& nodes) { the_pinned_pool()->add_nodes(nodes); }

bool is_pinned(const void* address) {
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, address), "cudaPointerGetAttributes");
  return attributes.type == cudaMemoryTypeHost;
}

}  // namespace pnflow
