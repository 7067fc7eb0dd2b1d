#include "gpu/cuda/recorded_graph.h"

#include <exception>

namespace pnflow {

RecordedGraph::RecordedGraph(cudaStream_t stream, const std::function<void()>& enqueue) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  std::exception_ptr error;
  try {
    enqueue();
  } catch (...) {
    error = std::current_exception();
  }
  // Ends it in any case: what was not allowed has made it void, and this says so.
  cudaGraph_t recorded = nullptr;
  cudaError_t code = cudaStreamEndCapture(stream, &recorded);
  if (!error && code == cudaSuccess) code = cudaGraphInstantiate(&graph_, recorded, 0);
  if (recorded != nullptr) cudaGraphDestroy(recorded);
  if (!error && code == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // or the next call that looks at it would fail
  if (error) std::rethrow_exception(error);
  check(code, "recording of a CUDA graph");
}

RecordedGraph::~RecordedGraph() {
  if (graph_ != nullptr) cudaGraphExecDestroy(graph_);  // fails when the device has
}

}  // namespace pnflow
