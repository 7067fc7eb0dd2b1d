#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "graph/memory.h"

namespace pnflow {

enum class MemoryKind : std::uint8_t { device, pinned };

// What this module has asked CUDA for, in this process. Thread-safe.
struct MemoryCounts {
  std::atomic<std::uint64_t> allocations{0};   // calls of cudaMalloc and cudaHostAlloc so far
  std::atomic<std::uint64_t> device_bytes{0};  // held now
  std::atomic<std::uint64_t> pinned_bytes{0};
};
MemoryCounts& memory_counts();

// Memory of the current device, or of the host, pinned for all devices. Only grows; what it holds
// is lost then. Work that has been enqueued may still be using it: freeing waits for the device.
class CudaBuffer {
 public:
  explicit CudaBuffer(MemoryKind kind) : kind_(kind) {}
  CudaBuffer(CudaBuffer&& other) noexcept
      : kind_(other.kind_),
        data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  CudaBuffer& operator=(CudaBuffer&&) = delete;
  ~CudaBuffer();

  // Throws CudaError.
  void reserve(std::size_t bytes);
  std::byte* data() const { return data_; }

 private:
  MemoryKind kind_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// The process's pool of pinned memory. Blocks of less than a page's worth of work (64 KiB) are
// ordinary memory: offsets, time stamps and the like never go to a device. Thread-safe; throws
// std::bad_alloc.
std::shared_ptr<MemoryPool> pinned_pool();

// Its new blocks come from these NUMA nodes and those of earlier calls, in turn. Before the first
// call, and with none, the system chooses. Thread-safe.
void add_pinned_pool_nodes(const std::vector<int>& nodes);

// Whether a device can read this address by itself: pinned, by whomever.
bool is_pinned(const void* address);

}  // namespace pnflow
