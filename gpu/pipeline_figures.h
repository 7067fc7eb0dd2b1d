#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "graph/figure.h"

namespace pnflow {

// What a pipeline has done since its warm-up. Times are those of the device's own clock.
struct PipelineFigures {
  std::string device;  // "0 (NVIDIA H100 80GB HBM3)"
  std::uint64_t micro_batches = 0;
  std::uint64_t full_micro_batches = 0;  // of batch_size images
  std::uint64_t graph_launches = 0;  // micro-batches whose network was one launch of a CUDA graph
  std::uint64_t images = 0;
  std::uint64_t staged_images = 0;  // that a thread had to copy into pinned memory first
  std::uint64_t bytes_up = 0, bytes_down = 0;
  // In which a copy to the device, a computation, a copy from it was under way.
  std::chrono::nanoseconds up{}, compute{}, down{};
  // Between the begin of the first full micro-batch's computation and the end of the last one's:
  // all of it, and that in which nothing was computed.
  std::chrono::nanoseconds steady{}, idle{};
  // From the begin of the first copy to the end of the last one.
  std::chrono::nanoseconds wall{};
  // Calls of cudaMalloc and cudaHostAlloc by pnflow and the model, warm-up included, and after how
  // many micro-batches the last one was noticed.
  std::uint64_t allocations = 0;
  std::uint64_t last_allocation = 0;
  // Held by pnflow, on all devices, and the most that the model's library has held on this one.
  std::uint64_t device_bytes = 0;
  std::uint64_t pinned_bytes = 0;  // held by pnflow
};

// The same as a node shows them, under the group `name`: "device 0 (NVIDIA ...)".
std::vector<Figure> figures_of(const PipelineFigures& figures, const std::string& name);

}  // namespace pnflow
