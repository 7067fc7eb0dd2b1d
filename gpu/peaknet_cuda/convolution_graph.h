#pragma once

#include <cudnn.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gpu/peaknet_cuda/cudnn_descriptor.h"
#include "gpu/peaknet_cuda/kernels.h"

namespace pnflow {

struct ConvolutionShape {
  PixelGrid grid;
  std::size_t inputs = 0, outputs = 0;  // channels
  Precision precision = Precision::bfloat16;
  friend bool operator==(const ConvolutionShape&, const ConvolutionShape&) = default;
};
// "8 x 480x480 pixels, 256 to 256 channels of bfloat16"
std::string to_string(const ConvolutionShape& shape);

// What a 3x3 convolution with bias is to cuDNN: out = convolution(x, weight) + bias. The sum in
// between is float32 and never in memory. Does not move.
class ConvolutionGraph {
 public:
  // Names of the tensors.
  enum TensorId : std::int64_t { id_x = 1, id_weight, id_bias, id_sum, id_out };

  // `images` of the shape's at a time. Throws LibraryError.
  ConvolutionGraph(cudnnHandle_t handle, const ConvolutionShape& shape, std::size_t images);
  ConvolutionGraph(const ConvolutionGraph&) = delete;
  ConvolutionGraph& operator=(const ConvolutionGraph&) = delete;

  const CudnnDescriptor& get() const { return graph_; }

 private:
  std::vector<CudnnDescriptor> parts_;  // to which the graph refers
  CudnnDescriptor graph_{CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR};
};

}  // namespace pnflow
