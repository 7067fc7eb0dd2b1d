#include "gpu/peaknet_cuda/gemm.h"

#include <fmt/format.h>

#include <stdexcept>

#include "gpu/peaknet_cuda/fastest.h"
#include "gpu/peaknet_cuda/library_error.h"

namespace pnflow {

namespace {

constexpr int most_algorithms = 16;

cudaDataType_t type_of(Precision precision) {
  switch (precision) {
    case Precision::float32: return CUDA_R_32F;
    case Precision::bfloat16: return CUDA_R_16BF;
    case Precision::float16: break;
  }
  return CUDA_R_16F;
}

cublasLtEpilogue_t epilogue_of(GemmEpilogue epilogue) {
  switch (epilogue) {
    case GemmEpilogue::none: return CUBLASLT_EPILOGUE_DEFAULT;
    case GemmEpilogue::bias: return CUBLASLT_EPILOGUE_BIAS;
    case GemmEpilogue::bias_gelu: break;
  }
  return CUBLASLT_EPILOGUE_GELU_BIAS;
}

const char* name_of(GemmEpilogue epilogue) {
  switch (epilogue) {
    case GemmEpilogue::none: return "no bias";
    case GemmEpilogue::bias: return "bias";
    case GemmEpilogue::bias_gelu: break;
  }
  return "bias and GELU";
}

template <class Value>
void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
  check(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof(value)),
        "cublasLtMatmulDescSetAttribute");
}

template <class Value>
void set(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute,
         const Value& value) {
  check(cublasLtMatrixLayoutSetAttribute(layout, attribute, &value, sizeof(value)),
        "cublasLtMatrixLayoutSetAttribute");
}

struct PreferenceDestroyer {
  void operator()(cublasLtMatmulPreference_t preference) const {
    cublasLtMatmulPreferenceDestroy(preference);
  }
};

}  // namespace

std::string to_string(const GemmShape& shape) {
  return fmt::format("{} x {}x{} times {}x{} {}, {}{}", shape.batch, shape.rows, shape.inputs,
                     shape.inputs, shape.outputs, name_of(shape.precision), name_of(shape.epilogue),
                     shape.add ? ", added" : "");
}

CublasLt make_cublas_lt() {
  cublasLtHandle_t handle = nullptr;
  check(cublasLtCreate(&handle), "cublasLtCreate");
  return CublasLt(handle);
}

// cuBLASLt's matrices are in Fortran order, where ours are their own transposes: out^T (outputs x
// rows) = weight x^T, of which weight is stored transposed.
Gemm::Gemm(cublasLtHandle_t handle, const GemmShape& shape)
    : handle_(handle),
      shape_(shape),
      weight_(layout(shape.inputs, shape.outputs)),
      x_(layout(shape.inputs, shape.rows)),
      out_(layout(shape.outputs, shape.rows)) {
  cublasLtMatmulDesc_t operation = nullptr;
  check(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F),
        "cublasLtMatmulDescCreate");
  operation_.reset(operation);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(shape.epilogue));
  if (shape.epilogue != GemmEpilogue::none) {
    set(operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type_of(shape.precision));
  }
  find_algorithms();
}

Gemm::Layout Gemm::layout(std::size_t rows, std::size_t columns) const {
  cublasLtMatrixLayout_t layout = nullptr;
  check(cublasLtMatrixLayoutCreate(&layout, type_of(shape_.precision), rows, columns,
                                   static_cast<std::int64_t>(rows)),
        "cublasLtMatrixLayoutCreate");
  Layout owned(layout);
  if (shape_.batch > 1) {
    set(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(shape_.batch));
    set(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
        static_cast<std::int64_t>(rows * columns));
  }
  return owned;
}

void Gemm::find_algorithms() {
  cublasLtMatmulPreference_t preference = nullptr;
  check(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
  const std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>, PreferenceDestroyer>
      owner(preference);
  check(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                             &most_workspace, sizeof(most_workspace)),
        "cublasLtMatmulPreferenceSetAttribute");
  // Where a sum is cut up, its parts are float32 and not rounded to the output's type.
  const std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  check(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                             &reductions, sizeof(reductions)),
        "cublasLtMatmulPreferenceSetAttribute");
  algorithms_.resize(most_algorithms);
  int found = 0;
  const cublasStatus_t code = cublasLtMatmulAlgoGetHeuristic(
      handle_, operation_.get(), weight_.get(), x_.get(), out_.get(), out_.get(), preference,
      most_algorithms, algorithms_.data(), &found);
  algorithms_.resize(static_cast<std::size_t>(found));
  std::erase_if(algorithms_, [](const cublasLtMatmulHeuristicResult_t& result) {
    return result.state != CUBLAS_STATUS_SUCCESS;
  });
  if (code == CUBLAS_STATUS_SUCCESS && !algorithms_.empty()) return;
  throw LibraryError(fmt::format("cuBLASLt has no algorithm for {}", to_string(shape_)));
}

cublasStatus_t Gemm::try_run(const GemmOperands& operands, std::size_t algorithm, void* workspace,
                             cudaStream_t stream) {
  if (shape_.epilogue != GemmEpilogue::none) {
    set(operation_.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, operands.bias);
  }
  const float one = 1;
  const float beta = shape_.add ? 1 : 0;
  const cublasLtMatmulHeuristicResult_t& chosen = algorithms_[algorithm];
  const cublasStatus_t code =
      cublasLtMatmul(handle_, operation_.get(), &one, operands.weight, weight_.get(), operands.x,
                     x_.get(), &beta, operands.out, out_.get(), operands.out, out_.get(),
                     &chosen.algo, workspace, chosen.workspaceSize, stream);
  // A launch that failed would be reported by the next kernel's check.
  if (code != CUBLAS_STATUS_SUCCESS) static_cast<void>(cudaGetLastError());
  return code;
}

bool Gemm::try_algorithm(std::size_t algorithm, const GemmOperands& operands, void* workspace,
                         cudaStream_t stream) {
  if (try_run(operands, algorithm, workspace, stream) != CUBLAS_STATUS_SUCCESS) return false;
  chosen_ = algorithm;
  return true;
}

float Gemm::use_fastest(const GemmOperands& operands, void* workspace, cudaStream_t stream) {
  const auto best = fastest_of(algorithms_.size(), stream, [&](std::size_t algorithm) {
    return try_run(operands, algorithm, workspace, stream) == CUBLAS_STATUS_SUCCESS;
  });
  if (!best) throw LibraryError("none of cuBLASLt's algorithms works");
  chosen_ = best->way;
  return best->milliseconds;
}

void Gemm::run(const GemmOperands& operands, void* workspace, cudaStream_t stream) {
  check(try_run(operands, chosen_, workspace, stream), "cublasLtMatmul");
}

}  // namespace pnflow
