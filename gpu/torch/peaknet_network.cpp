#include "gpu/torch/peaknet_network.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <array>
#include <memory>
#include <utility>

#include "gpu/peaknet/peaknet_weights.h"
#include "gpu/torch/state_dict_file.h"

namespace pnflow {

namespace {

using at::Tensor;
using Layer = WeightAndBias<Tensor>;
using Levels = std::array<Tensor, peaknet_levels>;

// ---------------------------------------------------------------- layers

Tensor conv(const Layer& layer, const Tensor& x, std::int64_t stride = 1, std::int64_t padding = 0,
            std::int64_t groups = 1) {
  return at::conv2d(x, layer.weight, layer.bias, stride, padding, 1, groups);
}

Tensor linear(const Layer& layer, const Tensor& x) {
  return at::linear(x, layer.weight, layer.bias);
}

// Over the last axis.
Tensor layer_norm(const Layer& layer, const Tensor& x) {
  return at::layer_norm(x, layer.weight.sizes(), layer.weight, layer.bias, 1e-6);
}

// Over the channels of (N, C, H, W).
Tensor channel_norm(const Layer& layer, const Tensor& x) {
  return layer_norm(layer, x.permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
}

Tensor resized(const Tensor& x, double factor) {
  const std::array factors{factor, factor};
  return at::upsample_bilinear2d(x, std::nullopt, false, at::ArrayRef<double>(factors));
}

// ---------------------------------------------------------------- backbone

// weight * (x * share) + bias + x in float32 on the CPU, in place: the same roundings as four
// operations of LibTorch, each of which would go through memory.
void apply_shares(const Layer& layer, const Tensor& share, Tensor& x) {
  const std::int64_t channels = x.size(3);
  const std::int64_t pixels = x.size(1) * x.size(2);
  const float* const weight = layer.weight.const_data_ptr<float>();
  const float* const bias = layer.bias.const_data_ptr<float>();
  const float* const shares = share.const_data_ptr<float>();
  float* const values = x.mutable_data_ptr<float>();
  at::parallel_for(0, x.size(0) * pixels, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pixel = begin; pixel < end; ++pixel) {
      const float* const of_image = shares + pixel / pixels * channels;
      float* const of_pixel = values + pixel * channels;
      for (std::int64_t c = 0; c < channels; ++c) {
        of_pixel[c] = of_pixel[c] * of_image[c] * weight[c] + bias[c] + of_pixel[c];
      }
    }
  });
}

// Weighs each channel of (N, H, W, C) by its share in the image's response; x is used up.
Tensor response_norm(const Layer& layer, Tensor x) {
  const Tensor response = at::linalg_vector_norm(x, 2, {{1, 2}}, true);
  const Tensor share = response / (response.mean(-1, true) + 1e-6);
  if (!x.is_cpu() || x.scalar_type() != at::kFloat) {
    return (x * share).mul_(layer.weight).add_(layer.bias).add_(x);
  }
  apply_shares(layer, share, x);
  return x;
}

// In place.
void convnext(const ConvNextBlock<Tensor>& block, Tensor& x) {
  const Tensor seen = conv(block.dwconv, x, 1, peaknet_kernel / 2, x.size(1));
  Tensor y = layer_norm(block.layernorm, seen.permute({0, 2, 3, 1}));
  y = linear(block.pwconv1, y);
  y = linear(block.pwconv2, response_norm(block.grn, at::gelu_(y)));
  x.add_(y.permute({0, 3, 1, 2}));
}

Levels backbone(const PeakNetParts<Tensor>& net, const Tensor& images) {
  Levels levels;
  const std::int64_t patch = net.embeddings.weight.size(2);
  Tensor x = channel_norm(net.embeddings_norm, conv(net.embeddings, images, patch));
  for (std::size_t s = 0; s < peaknet_levels; ++s) {
    const PeakNetStage<Tensor>& stage = net.stages[s];
    if (stage.downsampling) {
      x = conv(stage.downsampling->conv, channel_norm(stage.downsampling->norm, x), 2);
    }
    for (const ConvNextBlock<Tensor>& block : stage.blocks) convnext(block, x);
    levels[s] = channel_norm(stage.norm, x);
  }
  return levels;
}

// ---------------------------------------------------------------- BiFPN

// `mean` is used up.
Tensor bifpn_node(const BiFpnNode<Tensor>& node, Tensor mean, const Tensor& p) {
  // A depthwise convolution of single pixels; LibTorch would take one channel after the other.
  mean.mul_(node.depthwise);
  Tensor y = channel_norm(node.norm, at::conv2d(mean, node.pointwise));
  return at::gelu_(y).add_(p);
}

Levels bifpn(const BiFpnBlock<Tensor>& block, const Levels& p) {
  Levels m = p;
  for (std::size_t row = 0; row < 3; ++row) {
    const std::size_t l = 2 - row;
    const auto w = block.w_m[static_cast<std::int64_t>(row)].unbind();
    m[l] = bifpn_node(block.m[l], (w[0] * p[l]).add_(resized(m[l + 1], 2).mul_(w[1])), p[l]);
  }
  Levels q = m;
  for (std::size_t row = 0; row < 3; ++row) {
    const std::size_t l = row + 1;
    const auto w = block.w_q[static_cast<std::int64_t>(row)].unbind();
    const Tensor mean = (w[0] * p[l]).add_(w[1] * m[l]).add_(resized(q[l - 1], 0.5).mul_(w[2]));
    q[l] = bifpn_node(block.q[row], mean, p[l]);
  }
  return q;
}

// ---------------------------------------------------------------- heads and the whole

Tensor head(const std::vector<PeakNetHeadLayer<Tensor>>& layers, std::size_t level, Tensor x) {
  for (const PeakNetHeadLayer<Tensor>& layer : layers) {
    x = conv(layer.conv, x, 1, 1);
    x = at::group_norm(x, peaknet_groups, layer.norm.weight, layer.norm.bias, 1e-5);
    at::gelu_(x);
    if (level > 0) x = resized(x, 2);
  }
  return x;
}

Tensor peaknet(const PeakNetParts<Tensor>& net, const Tensor& images) {
  Levels levels = backbone(net, images);
  for (std::size_t l = 0; l < peaknet_levels; ++l) levels[l] = conv(net.adapters[l], levels[l]);
  for (const BiFpnBlock<Tensor>& block : net.bifpn) levels = bifpn(block, levels);
  Tensor sum = head(net.heads[0], 0, levels[0]);
  for (std::size_t l = 1; l < peaknet_levels; ++l) sum.add_(head(net.heads[l], l, levels[l]));
  const std::int64_t patch = net.embeddings.weight.size(2);
  Tensor logits = resized(conv(net.segmask, sum), static_cast<double>(patch));
  if (net.upsampling) {
    logits =
        logits + at::conv_transpose2d(sum, net.upsampling->weight, net.upsampling->bias, patch, 1);
  }
  return logits;
}

class PeakNetNetwork : public TorchNetwork {
 public:
  PeakNetNetwork(std::shared_ptr<const PeakNetParts<Tensor>> parts, std::size_t stride)
      : parts_(std::move(parts)), stride_(static_cast<std::int64_t>(stride)) {}

 protected:
  Tensor forward(const Tensor& images) override {
    const std::int64_t height = images.size(2);
    const std::int64_t width = images.size(3);
    const std::int64_t below = (stride_ - height % stride_) % stride_;
    const std::int64_t right = (stride_ - width % stride_) % stride_;
    if (below == 0 && right == 0) return peaknet(*parts_, images);
    return peaknet(*parts_, at::constant_pad_nd(images, {0, right, 0, below}))
        .narrow(2, 0, height)
        .narrow(3, 0, width);
  }

 private:
  std::shared_ptr<const PeakNetParts<Tensor>> parts_;
  std::int64_t stride_;
};

// ---------------------------------------------------------------- weights

// Of each row: what its weights, of which negative ones count as 0, are of their sum.
Tensor shares(const Tensor& weights) {
  std::vector<Tensor> rows;
  for (const Tensor& row : weights.unbind()) {
    const Tensor positive = at::relu(row);
    rows.push_back(positive / (positive.sum() + 1e-5));
  }
  return at::stack(rows);
}

Tensor on_place(const WeightTensor& tensor, at::ScalarType type, const at::Device& device) {
  const std::vector<std::int64_t> shape(tensor.shape.begin(), tensor.shape.end());
  if (tensor.type == WeightType::boolean) {
    return at::from_blob(const_cast<std::byte*>(tensor.bytes.data()), shape, at::kBool)
        .to(device, type, false, true);
  }
  std::vector<float> values = floats_of(tensor);
  const Tensor moved =
      at::from_blob(values.data(), shape, at::kFloat).to(device, type, false, true);
  return moved;
}

}  // namespace

std::vector<std::unique_ptr<TorchNetwork>> load_peaknet(const EngineSettings& settings,
                                                        const TorchPlace& place, int count) {
  const c10::InferenceMode inference;
  const PeakNetWeights weights =
      peaknet_weights(read_state_dict(settings.weights), settings.weights);
  const at::Device device = torch_device(place);
  auto parts = make_peaknet(weights.config, [&](const PeakNetTensor& tensor) {
    Tensor values = on_place(weights[tensor.name], type_of(settings.precision), device);
    if (tensor.name.ends_with("depthwise_conv.weight")) return values.view({1, -1, 1, 1});
    // Convolutions are fastest when the channels of a pixel lie side by side.
    return values.dim() == 4 ? values.contiguous(at::MemoryFormat::ChannelsLast) : values;
  });
  for (BiFpnBlock<Tensor>& block : parts.bifpn) {
    block.w_m = shares(block.w_m);
    block.w_q = shares(block.w_q * block.w_q_mask);
  }
  settings.log(fmt::format("PeakNet of {:.2f} million parameters: {}",
                           static_cast<double>(parameters_of(weights.config)) / 1e6,
                           to_string(weights.config)));
  const auto shared = std::make_shared<const PeakNetParts<Tensor>>(std::move(parts));
  std::vector<std::unique_ptr<TorchNetwork>> networks;
  for (int i = 0; i < count; ++i) {
    networks.push_back(std::make_unique<PeakNetNetwork>(shared, weights.config.stride()));
  }
  return networks;
}

}  // namespace pnflow
