#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <utility>

#include "gpu/cuda/cuda_check.h"

namespace pnflow {

// Work on a stream, recorded once and launched as a whole from then on: one call in place of one
// for each kernel.
class RecordedGraph {
 public:
  // Records what `enqueue` puts on `stream`; nothing of it runs. Throws what `enqueue` throws and
  // CudaError: work that cannot be recorded; the stream is then as before. Other threads may use
  // the device meanwhile.
  RecordedGraph(cudaStream_t stream, const std::function<void()>& enqueue);
  RecordedGraph(RecordedGraph&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
  RecordedGraph& operator=(RecordedGraph&&) = delete;
  ~RecordedGraph();

  // Enqueues the work on a stream of the same device. Throws CudaError.
  void launch(cudaStream_t stream) const {
    check(cudaGraphLaunch(graph_, stream), "cudaGraphLaunch");
  }

 private:
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace pnflow
