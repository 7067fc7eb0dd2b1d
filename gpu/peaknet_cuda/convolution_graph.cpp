#include "gpu/peaknet_cuda/convolution_graph.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace pnflow {

namespace {

// What cuDNN works on. Newer versions find that out by themselves; older ones of the same interface
// must be told.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
constexpr auto graph_handle = CUDNN_ATTR_OPERATIONGRAPH_HANDLE;
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
CudnnDescriptor tensor(ConvolutionGraph::TensorId id, cudnnDataType_t type,
                       const std::array<std::int64_t, 4>& size, bool is_virtual = false) {
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

}  // namespace

std::string to_string(const ConvolutionShape& shape) {
  return fmt::format("{} x {}x{} pixels, {} to {} channels of {}", shape.grid.images,
                     shape.grid.height, shape.grid.width, shape.inputs, shape.outputs,
                     name_of(shape.precision));
}

ConvolutionGraph::ConvolutionGraph(cudnnHandle_t handle, const ConvolutionShape& shape,
                                   std::size_t images) {
  const auto n = static_cast<std::int64_t>(images);
  const auto h = static_cast<std::int64_t>(shape.grid.height);
  const auto w = static_cast<std::int64_t>(shape.grid.width);
  const auto inputs = static_cast<std::int64_t>(shape.inputs);
  const auto outputs = static_cast<std::int64_t>(shape.outputs);
  const cudnnDataType_t type = type_of(shape.precision);
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
  graph_.set(graph_handle, CUDNN_TYPE_HANDLE, handle);
  graph_.set_all<cudnnBackendDescriptor_t>(CUDNN_ATTR_OPERATIONGRAPH_OPS,
                                           CUDNN_TYPE_BACKEND_DESCRIPTOR, operations);
  graph_.finalize();
}

}  // namespace pnflow
