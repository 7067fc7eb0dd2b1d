#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "gpu/engine_settings.h"

namespace pnflow {

struct CublasLtDestroyer {
  void operator()(cublasLtHandle_t handle) const { cublasLtDestroy(handle); }
};
using CublasLt = std::unique_ptr<std::remove_pointer_t<cublasLtHandle_t>, CublasLtDestroyer>;
// For the current device. Throws LibraryError.
CublasLt make_cublas_lt();

// GELU is its tanh form here, up to 4.7e-4 from x Phi(x).
enum class GemmEpilogue : std::uint8_t { none, bias, bias_gelu };

// out = x weight^T, with bias and GELU as the epilogue says, of matrices in C order: x is (rows,
// inputs), weight (outputs, inputs), out (rows, outputs). All have the same precision (float32 is
// the real one, without TF32), the bias too; sums are float32.
struct GemmShape {
  std::size_t rows = 0, outputs = 0, inputs = 0;
  GemmEpilogue epilogue = GemmEpilogue::none;
  bool add = false;  // to what is in `out`
  // More than 1: so many x, weight and out, one behind the other, and one bias for all.
  std::size_t batch = 1;
  Precision precision = Precision::bfloat16;
  friend bool operator==(const GemmShape&, const GemmShape&) = default;
};
// "8 x 230400x96 times 96x384 bfloat16, bias and GELU, added"
std::string to_string(const GemmShape& shape);

struct GemmOperands {
  const void* x = nullptr;
  const void* weight = nullptr;
  const void* bias = nullptr;  // with an epilogue that has one
  void* out = nullptr;
};

// A matrix product by cuBLASLt. For one thread at a time; the handle must outlive it.
class Gemm {
 public:
  static constexpr std::size_t most_workspace = std::size_t{64} << 20U;

  // Asks for the library's algorithms and takes the first. Throws LibraryError: none for this
  // shape.
  Gemm(cublasLtHandle_t handle, const GemmShape& shape);

  const GemmShape& shape() const { return shape_; }
  // The algorithms, in the order of the library's heuristics, which is the same for the same
  // device, library and shape.
  std::size_t algorithms() const { return algorithms_.size(); }
  std::size_t algorithm() const { return chosen_; }
  // Takes it if it runs with these operands; `out` is overwritten. `workspace` as below.
  bool try_algorithm(std::size_t algorithm, const GemmOperands& operands, void* workspace,
                     cudaStream_t stream);

  // Takes the fastest, which may be another one each time (see choose_algorithm()); `out` is
  // overwritten. `workspace` is room of most_workspace bytes. Waits for the stream. Returns its
  // milliseconds. Throws CudaError, LibraryError: none of them works.
  float use_fastest(const GemmOperands& operands, void* workspace, cudaStream_t stream);

  // Of the algorithm in use.
  std::size_t workspace_bytes() const { return algorithms_[chosen_].workspaceSize; }
  // Enqueues on `stream`. Throws LibraryError.
  void run(const GemmOperands& operands, void* workspace, cudaStream_t stream);

 private:
  struct Destroyer {
    void operator()(cublasLtMatmulDesc_t desc) const { cublasLtMatmulDescDestroy(desc); }
    void operator()(cublasLtMatrixLayout_t layout) const { cublasLtMatrixLayoutDestroy(layout); }
  };
  using Operation = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulDesc_t>, Destroyer>;
  using Layout = std::unique_ptr<std::remove_pointer_t<cublasLtMatrixLayout_t>, Destroyer>;

  Layout layout(std::size_t rows, std::size_t columns) const;
  void find_algorithms();
  cublasStatus_t try_run(const GemmOperands& operands, std::size_t algorithm, void* workspace,
                         cudaStream_t stream);

  cublasLtHandle_t handle_;
  GemmShape shape_;
  Operation operation_;
  Layout weight_, x_, out_;
  std::vector<cublasLtMatmulHeuristicResult_t> algorithms_;
  std::size_t chosen_ = 0;
};

}  // namespace pnflow
