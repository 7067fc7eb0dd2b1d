#pragma once

#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "gpu/peaknet_cuda/convolution_graph.h"
#include "gpu/peaknet_cuda/cudnn_descriptor.h"
#include "gpu/peaknet_cuda/kernels.h"

namespace pnflow {

struct CudnnDestroyer {
  void operator()(cudnnHandle_t handle) const { cudnnDestroy(handle); }
};
using Cudnn = std::unique_ptr<std::remove_pointer_t<cudnnHandle_t>, CudnnDestroyer>;
// For the current device. Throws LibraryError.
Cudnn make_cudnn();

struct ConvolutionOperands {
  const void* x = nullptr;       // channels-last
  const void* weight = nullptr;  // (outputs, 3, 3, inputs)
  const void* bias = nullptr;    // outputs, of the activations' type
  void* out = nullptr;           // channels-last
};

// A 3x3 convolution with bias and zeros about the image, by cuDNN; sums are float32, in the same
// order each time, and float32 is not cut to TF32. Through the graph interface: the older one has
// less than two thirds of its speed on Hopper. Where there are more values than the library counts
// in 32 bits, it is asked for some images after the other. For one thread at a time; the handle
// must outlive it.
class Convolution {
 public:
  static constexpr std::size_t most_workspace = std::size_t{512} << 20U;

  // Asks for the library's plans. Throws LibraryError: none for this shape.
  Convolution(cudnnHandle_t handle, const ConvolutionShape& shape);

  const ConvolutionShape& shape() const { return shape_; }
  // The plans, in the order of the library's heuristics, which is the same for the same device,
  // library and shape. Some of them may not work.
  std::size_t plans() const { return configurations_.size(); }
  std::size_t plan() const { return chosen_; }
  // Builds it, which may compile. Returns whether it can be used.
  bool use_plan(std::size_t plan);
  // The same, and whether it needs at most `workspace_bytes` and runs with these operands; `out` is
  // overwritten. Where not, another plan than before may be in use.
  bool try_plan(std::size_t plan, const ConvolutionOperands& operands, void* workspace,
                std::size_t workspace_bytes, cudaStream_t stream);

  // Builds all of them, tries those that need at most `workspace_bytes`, and takes the fastest,
  // which may be another one each time (see choose_plan()); `out` is overwritten. Waits for the
  // stream, and takes seconds. Returns its milliseconds. Throws CudaError, LibraryError: none of
  // them works.
  float use_fastest(const ConvolutionOperands& operands, void* workspace,
                    std::size_t workspace_bytes, cudaStream_t stream);

  // Of the plan in use.
  std::size_t workspace_bytes() const { return workspace_bytes_; }
  // Enqueues on `stream`. Throws LibraryError.
  void run(const ConvolutionOperands& operands, void* workspace, cudaStream_t stream);

 private:
  void find_configurations(cudnnBackendHeurMode_t mode);
  std::optional<CudnnDescriptor> built(std::size_t plan) const;
  cudnnStatus_t try_run(const CudnnDescriptor& plan, const ConvolutionOperands& operands,
                        void* workspace, cudaStream_t stream);

  cudnnHandle_t handle_;
  ConvolutionShape shape_;
  std::size_t at_once_;  // images, of which there are several times as many
  ConvolutionGraph graph_;
  std::vector<CudnnDescriptor> configurations_;
  std::size_t chosen_ = 0;
  std::optional<CudnnDescriptor> plan_;
  std::size_t workspace_bytes_ = 0;
};

}  // namespace pnflow
