#include "gpu/torch/peaknet_parts.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/stack.h>

#include <cstdint>
#include <vector>

namespace pnflow {

namespace {

using at::Tensor;

Tensor on_device(const WeightTensor& tensor, at::ScalarType type, at::Device device) {
  const std::vector<std::int64_t> shape(tensor.shape.begin(), tensor.shape.end());
  std::vector<float> values = floats_of(tensor);
  const Tensor moved =
      at::from_blob(values.data(), shape, at::kFloat).to(device, type, false, true);
  return shape.size() == 4 ? moved.contiguous(at::MemoryFormat::ChannelsLast) : moved;
}

// Of each row: what its weights, of which negative ones count as 0, are of their sum.
Tensor shares(const Tensor& weights) {
  std::vector<Tensor> rows;
  for (const Tensor& row : weights.unbind()) {
    const Tensor positive = at::relu(row);
    rows.push_back(positive / (positive.sum() + 1e-5));
  }
  return at::stack(rows);
}

}  // namespace

PeakNetParts<Tensor> peaknet_parts(const PeakNetWeights& weights, at::ScalarType type,
                                   at::Device device) {
  auto net = make_peaknet(weights.config, [&](const PeakNetTensor& tensor) {
    return on_device(weights[tensor.name], type, device);
  });
  for (BiFpnBlock<Tensor>& block : net.bifpn) {
    block.w_m = shares(block.w_m);
    block.w_q = shares(block.w_q * block.w_q_mask);
    for (auto* nodes : {&block.m, &block.q}) {
      for (BiFpnNode<Tensor>& node : *nodes) node.depthwise = node.depthwise.view({1, -1, 1, 1});
    }
  }
  return net;
}

}  // namespace pnflow
