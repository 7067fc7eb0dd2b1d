#pragma once

#include <c10/core/Allocator.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <functional>

namespace pnflow {

// Work of LibTorch on a stream, recorded once as a CUDA graph, which is launched as a whole: one
// call in place of one for each kernel. The memory that it works in, its results included, is its
// own and stays where it is. LibTorch's own class for this, at::cuda::CUDAGraph, leaves the
// allocator in the middle of a capture when that fails.
class CapturedGraph {
 public:
  // Records what `enqueue` puts on `stream`, which is current, as its device is; nothing of it
  // runs. Graphs that are launched one after the other on one stream may share a pool of memory.
  // Throws what `enqueue` throws and c10::Error: work that cannot be recorded; the stream, the
  // device and the allocator are then as before. Other threads may use the device meanwhile, but
  // not for another capture.
  CapturedGraph(c10::cuda::CUDAStream stream, c10::MempoolId_t pool,
                const std::function<void()>& enqueue);
  CapturedGraph(const CapturedGraph&) = delete;
  CapturedGraph& operator=(const CapturedGraph&) = delete;
  ~CapturedGraph();

  // Enqueues the work on a stream of the same device. Returns what cudaGraphLaunch() does.
  cudaError_t launch(cudaStream_t stream) const;

 private:
  c10::DeviceIndex device_;
  c10::MempoolId_t pool_;
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace pnflow
