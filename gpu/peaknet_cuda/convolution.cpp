#include "gpu/peaknet_cuda/convolution.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include "gpu/peaknet_cuda/fastest.h"
#include "gpu/peaknet_cuda/shapes.h"

namespace pnflow {

namespace {

// What cuDNN works on. Newer versions find that out by themselves; older ones of the same interface
// must be told.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
constexpr auto plan_handle = CUDNN_ATTR_EXECUTION_PLAN_HANDLE;
#pragma GCC diagnostic pop

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
  // A newer library may have notes that the header does not know.
  const auto known = std::min<std::int64_t>(count, notes.size());
  return std::none_of(notes.begin(), notes.begin() + known, [&](auto note) {
    return note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC ||
           (precision == Precision::float32 && (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE ||
                                                note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS));
  });
}

// So that there are at most 2^31 - 1 values.
std::size_t images_at_once(const ConvolutionShape& shape) {
  if (shape.grid.all() == 0) throw LibraryError("a convolution of no pixels");
  const std::size_t values = shape.grid.of_image() * std::max(shape.inputs, shape.outputs);
  const std::size_t most = std::numeric_limits<std::int32_t>::max() / values;
  return divisor_up_to(shape.grid.images, std::max<std::size_t>(most, 1));
}

}  // namespace

Cudnn make_cudnn() {
  cudnnHandle_t handle = nullptr;
  check(cudnnCreate(&handle), "cudnnCreate");
  return Cudnn(handle);
}

Convolution::Convolution(cudnnHandle_t handle, const ConvolutionShape& shape)
    : handle_(handle),
      shape_(shape),
      at_once_(images_at_once(shape)),
      graph_(handle, shape, at_once_) {
  find_configurations(CUDNN_HEUR_MODE_A);
  // Without tensor cores, what is said to be fast may need gigabytes of workspace; these need none.
  if (configurations_.empty() || shape.precision == Precision::float32) {
    find_configurations(CUDNN_HEUR_MODE_FALLBACK);
  }
  for (std::size_t plan = 0; plan < plans(); ++plan) {
    if (use_plan(plan)) return;
  }
  throw LibraryError(
      fmt::format("cuDNN has no plan for a 3x3 convolution of {}", to_string(shape_)));
}

void Convolution::find_configurations(cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph_.get());
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
  if (built.try_finalize() == CUDNN_STATUS_SUCCESS) return built;
  static_cast<void>(cudaGetLastError());  // as in try_run()
  return std::nullopt;
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
  using Graph = ConvolutionGraph;
  const std::array<std::int64_t, 4> ids{Graph::id_x, Graph::id_weight, Graph::id_bias,
                                        Graph::id_out};
  const std::size_t pixels = at_once_ * shape_.grid.of_image();
  for (std::size_t first = 0; first < shape_.grid.all(); first += pixels) {
    const auto from = [&](const void* values, std::size_t channels) {
      return static_cast<const std::byte*>(values) + first * channels * size_of(shape_.precision);
    };
    const std::array<const void*, 4> pointers{from(operands.x, shape_.inputs), operands.weight,
                                              operands.bias, from(operands.out, shape_.outputs)};
    CudnnDescriptor variant(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    variant.set_all<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids);
    variant.set_all<const void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
                                 pointers);
    variant.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
    variant.finalize();
    const cudnnStatus_t code = cudnnBackendExecute(handle_, plan.get(), variant.get());
    if (code == CUDNN_STATUS_SUCCESS) continue;
    // A launch that failed would be reported by the next kernel's check.
    static_cast<void>(cudaGetLastError());
    return code;
  }
  return CUDNN_STATUS_SUCCESS;
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
