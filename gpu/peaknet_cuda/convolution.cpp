#include "gpu/peaknet_cuda/convolution.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "gpu/peaknet_cuda/fastest.h"

namespace pnflow {

namespace {

// Names of the tensors within the graph.
enum TensorId : std::int64_t { id_x = 1, id_weight, id_bias, id_sum, id_out };

// What cuDNN works on. Newer versions find that out by themselves; older ones of the same interface
// must be told.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
constexpr auto graph_handle = CUDNN_ATTR_OPERATIONGRAPH_HANDLE;
constexpr auto plan_handle = CUDNN_ATTR_EXECUTION_PLAN_HANDLE;
#pragma GCC diagnostic pop

cudnnDataType_t type_of(Precision precision) {
  switch (precision) {
    case Precision::float32: return CUDNN_DATA_FLOAT;
    case Precision::bfloat16: return CUDNN_DATA_BFLOAT16;
    case Precision::float16: break;
  }
  return CUDNN_DATA_HALF;
}

// (N, C, H, W) in the order in which cuDNN counts axes, with the channels side by side in memory.
CudnnDescriptor tensor(TensorId id, cudnnDataType_t type, const std::array<std::int64_t, 4>& size,
                       bool is_virtual = false) {
  const auto [n, c, h, w] = size;
  const std::array<std::int64_t, 4> strides{c * h * w, 1, c * w, c};
  CudnnDescriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type);
  tensor.set_all<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, size);
  tensor.set_all<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, std::int64_t{id});
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, std::int64_t{16});
  tensor.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, is_virtual);
  tensor.finalize();
  return tensor;
}

CudnnDescriptor convolution_of_3x3() {
  const std::array<std::int64_t, 2> ones{1, 1};
  CudnnDescriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  convolution.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
                  CUDNN_CROSS_CORRELATION);
  convolution.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::int64_t{2});
  for (const auto name :
       {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS,
        CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_ATTR_CONVOLUTION_DILATIONS}) {
    convolution.set_all<std::int64_t>(name, CUDNN_TYPE_INT64, ones);
  }
  convolution.finalize();
  return convolution;
}

CudnnDescriptor addition() {
  CudnnDescriptor pointwise(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  pointwise.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, CUDNN_POINTWISE_ADD);
  pointwise.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  pointwise.finalize();
  return pointwise;
}

std::size_t workspace_of(const CudnnDescriptor& plan) {
  std::int64_t bytes = 0;
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                 CUDNN_TYPE_INT64, 1, &count, &bytes),
        "cudnnBackendGetAttribute");
  return static_cast<std::size_t>(bytes);
}

// Whether a configuration adds up in the same order each time, and float32 as float32, not as TF32.
bool may_be_used(const CudnnDescriptor& configuration, Precision precision) {
  CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t pointer = engine.get();
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(configuration.get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &pointer),
        "cudnnBackendGetAttribute");
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  check(cudnnBackendGetAttribute(engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                 CUDNN_TYPE_NUMERICAL_NOTE, notes.size(), &count, notes.data()),
        "cudnnBackendGetAttribute");
  return std::none_of(notes.begin(), notes.begin() + count, [&](auto note) {
    return note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC ||
           (precision == Precision::float32 && (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE ||
                                                note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
  });
}

}  // namespace

Cudnn make_cudnn() {
  cudnnHandle_t handle = nullptr;
  check(cudnnCreate(&handle), "cudnnCreate");
  return Cudnn(handle);
}

std::string to_string(const ConvolutionShape& shape) {
  return fmt::format("{} x {}x{} pixels, {} to {} channels of {}", shape.grid.images,
                     shape.grid.height, shape.grid.width, shape.inputs, shape.outputs,
                     name_of(shape.precision));
}

Convolution::Convolution(cudnnHandle_t handle, const ConvolutionShape& shape)
    : handle_(handle), shape_(shape) {
  make_graph();
  find_configurations(CUDNN_HEUR_MODE_A);
  if (configurations_.empty()) find_configurations(CUDNN_HEUR_MODE_FALLBACK);
  for (std::size_t plan = 0; plan < plans(); ++plan) {
    if (use_plan(plan)) return;
  }
  throw LibraryError(
      fmt::format("cuDNN has no plan for a 3x3 convolution of {}", to_string(shape_)));
}

// out = convolution(x, weight) + bias; the sum in between is float32 and never in memory.
void Convolution::make_graph() {
  const auto n = static_cast<std::int64_t>(shape_.grid.images);
  const auto h = static_cast<std::int64_t>(shape_.grid.height);
  const auto w = static_cast<std::int64_t>(shape_.grid.width);
  const auto inputs = static_cast<std::int64_t>(shape_.inputs);
  const auto outputs = static_cast<std::int64_t>(shape_.outputs);
  const cudnnDataType_t type = type_of(shape_.precision);
  const auto keep = [&](CudnnDescriptor part) -> const CudnnDescriptor& {
    return parts_.emplace_back(std::move(part));
  };
  parts_.reserve(9);  // no reference moves
  const CudnnDescriptor& x = keep(tensor(id_x, type, {n, inputs, h, w}));
  const CudnnDescriptor& weight = keep(tensor(id_weight, type, {outputs, inputs, 3, 3}));
  const CudnnDescriptor& bias = keep(tensor(id_bias, type, {1, outputs, 1, 1}));
  const CudnnDescriptor& sum = keep(tensor(id_sum, CUDNN_DATA_FLOAT, {n, outputs, h, w}, true));
  const CudnnDescriptor& out = keep(tensor(id_out, type, {n, outputs, h, w}));

  CudnnDescriptor convolve(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  convolve.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1.0F);
  convolve.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 0.0F);
  convolve.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, keep(convolution_of_3x3()));
  convolve.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
  convolve.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, weight);
  convolve.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, sum);
  convolve.finalize();

  CudnnDescriptor add(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  add.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, keep(addition()));
  add.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, sum);
  add.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, bias);
  add.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
  add.finalize();

  const std::array operations{keep(std::move(convolve)).get(), keep(std::move(add)).get()};
  graph_.emplace(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph_->set(graph_handle, CUDNN_TYPE_HANDLE, handle_);
  graph_->set_all<cudnnBackendDescriptor_t>(CUDNN_ATTR_OPERATIONGRAPH_OPS,
                                            CUDNN_TYPE_BACKEND_DESCRIPTOR, operations);
  graph_->finalize();
}

void Convolution::find_configurations(cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, *graph_);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (heuristics.try_finalize() != CUDNN_STATUS_SUCCESS) return;
  std::int64_t count = 0;
  check(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
        "cudnnBackendGetAttribute");
  std::vector<CudnnDescriptor> room;
  std::vector<cudnnBackendDescriptor_t> pointers;
  for (std::int64_t i = 0; i < count; ++i) {
    pointers.push_back(room.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).get());
  }
  check(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, pointers.data()),
        "cudnnBackendGetAttribute");
  room.erase(room.begin() + count, room.end());
  for (CudnnDescriptor& configuration : room) {
    if (may_be_used(configuration, shape_.precision)) {
      configurations_.push_back(std::move(configuration));
    }
  }
}

std::optional<CudnnDescriptor> Convolution::built(std::size_t plan) const {
  CudnnDescriptor built(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  built.set(plan_handle, CUDNN_TYPE_HANDLE, handle_);
  built.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configurations_[plan]);
  if (built.try_finalize() != CUDNN_STATUS_SUCCESS) return std::nullopt;
  return built;
}

bool Convolution::use_plan(std::size_t plan) {
  std::optional<CudnnDescriptor> next = built(plan);
  if (!next) return false;
  plan_ = std::move(next);
  chosen_ = plan;
  workspace_bytes_ = workspace_of(*plan_);
  return true;
}

cudnnStatus_t Convolution::try_run(const CudnnDescriptor& plan, const ConvolutionOperands& operands,
                                   void* workspace, cudaStream_t stream) {
  check(cudnnSetStream(handle_, stream), "cudnnSetStream");
  const std::array<std::int64_t, 4> ids{id_x, id_weight, id_bias, id_out};
  const std::array<const void*, 4> pointers{operands.x, operands.weight, operands.bias,
                                            operands.out};
  CudnnDescriptor variant(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  variant.set_all<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids);
  variant.set_all<const void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
                               pointers);
  variant.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
  variant.finalize();
  return cudnnBackendExecute(handle_, plan.get(), variant.get());
}

bool Convolution::try_plan(std::size_t plan, const ConvolutionOperands& operands, void* workspace,
                           std::size_t workspace_bytes, cudaStream_t stream) {
  return use_plan(plan) && workspace_bytes_ <= workspace_bytes &&
         try_run(*plan_, operands, workspace, stream) == CUDNN_STATUS_SUCCESS;
}

float Convolution::use_fastest(const ConvolutionOperands& operands, void* workspace,
                               std::size_t workspace_bytes, cudaStream_t stream) {
  std::vector<std::optional<CudnnDescriptor>> candidates;
  for (std::size_t plan = 0; plan < plans(); ++plan) {
    candidates.push_back(built(plan));
    if (candidates.back() && workspace_of(*candidates.back()) > workspace_bytes) {
      candidates.back().reset();
    }
  }
  const auto best = fastest_of(candidates.size(), stream, [&](std::size_t plan) {
    return candidates[plan] &&
           try_run(*candidates[plan], operands, workspace, stream) == CUDNN_STATUS_SUCCESS;
  });
  if (!best) throw LibraryError("none of cuDNN's plans works");
  plan_ = std::move(candidates[best->way]);
  chosen_ = best->way;
  workspace_bytes_ = workspace_of(*plan_);
  return best->milliseconds;
}

void Convolution::run(const ConvolutionOperands& operands, void* workspace, cudaStream_t stream) {
  check(try_run(*plan_, operands, workspace, stream), "cudnnBackendExecute");
}

}  // namespace pnflow
