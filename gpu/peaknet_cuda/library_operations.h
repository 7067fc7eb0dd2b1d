#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "gpu/cuda/cuda_memory.h"
#include "gpu/peaknet/algorithm_cache.h"
#include "gpu/peaknet_cuda/convolution.h"
#include "gpu/peaknet_cuda/gemm.h"

namespace pnflow {

// The matrix products and convolutions of one network on the current device: one operation for
// each shape, whichever step has it, so that its algorithm is chosen once. Used by one thread at a
// time.
class LibraryOperations {
 public:
  // `cache` has what other instances have chosen, which these must choose too, or the same image
  // would have other bits there. Throws LibraryError.
  explicit LibraryOperations(std::shared_ptr<AlgorithmCache> cache);

  // They stay where they are. Throw LibraryError: nothing in the library for this shape.
  Gemm& product(const GemmShape& shape);
  Convolution& convolution(const ConvolutionShape& shape);

  // Takes the algorithm that the cache has, or the fastest, unless that has been done; what `out`
  // has is lost. Waits for the stream. Throw CudaError, LibraryError.
  void choose(Gemm& product, const GemmOperands& operands, cudaStream_t stream);
  void choose(Convolution& convolution, const ConvolutionOperands& operands, cudaStream_t stream);
  // All has been chosen. Saves the cache, gives back what choosing has needed and takes what
  // running needs; returns whether that has moved. Throws CudaError.
  bool settle();

  // Enqueue. Throw LibraryError.
  void run(Gemm& product, const GemmOperands& operands, cudaStream_t stream);
  void run(Convolution& convolution, const ConvolutionOperands& operands, cudaStream_t stream);

 private:
  template <class Shape, class Operation>
  struct Entry {
    Shape shape;
    std::unique_ptr<Operation> operation;
    bool chosen = false;
  };
  template <class Shape, class Operation>
  using Entries = std::vector<Entry<Shape, Operation>>;

  template <class Shape, class Operation, class Handle>
  static Operation& find(Entries<Shape, Operation>& entries, const Shape& shape, Handle handle);
  template <class Shape, class Operation, class Choose>
  void once(Entries<Shape, Operation>& entries, const Operation& operation, const Choose& choose);

  std::shared_ptr<AlgorithmCache> cache_;
  CublasLt cublas_ = make_cublas_lt();
  Cudnn cudnn_ = make_cudnn();
  Entries<GemmShape, Gemm> products_;
  Entries<ConvolutionShape, Convolution> convolutions_;
  CudaBuffer workspace_{MemoryKind::device};
  std::optional<CudaBuffer> room_to_choose_;
};

}  // namespace pnflow
