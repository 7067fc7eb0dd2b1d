#include "gpu/torch/captured_graph.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>

#include <exception>

namespace pnflow {

namespace allocator = c10::cuda::CUDACachingAllocator;

CapturedGraph::CapturedGraph(c10::cuda::CUDAStream stream, c10::MempoolId_t pool,
                             const std::function<void()>& enqueue)
    : device_(stream.device_index()), pool_(pool) {
  allocator::beginAllocateToPool(
      device_, pool_, [wanted = stream.stream()](cudaStream_t of) { return of == wanted; });
  std::exception_ptr error;
  cudaGraph_t recorded = nullptr;
  cudaError_t code = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  if (code == cudaSuccess) {
    try {
      enqueue();
    } catch (...) {
      error = std::current_exception();
    }
    // Ends it in any case: what was not allowed has made it void, and this says so.
    code = cudaStreamEndCapture(stream, &recorded);
  }
  allocator::endAllocateToPool(device_, pool_);
  if (!error && code == cudaSuccess) code = cudaGraphInstantiate(&graph_, recorded, 0);
  if (recorded) cudaGraphDestroy(recorded);
  if (!error && code == cudaSuccess) return;
  allocator::releasePool(device_, pool_);
  static_cast<void>(cudaGetLastError());  // or the next call that looks at it would fail
  if (error) std::rethrow_exception(error);
  C10_CUDA_CHECK(code);
}

CapturedGraph::~CapturedGraph() {
  cudaGraphExecDestroy(graph_);  // fails when the device has
  allocator::releasePool(device_, pool_);
}

cudaError_t CapturedGraph::launch(cudaStream_t stream) const {
  return cudaGraphLaunch(graph_, stream);
}

}  // namespace pnflow
