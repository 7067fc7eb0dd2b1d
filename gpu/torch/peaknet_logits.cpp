#include "gpu/torch/peaknet_logits.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

namespace pnflow {

namespace {

using at::Tensor;
using Layer = WeightAndBias<Tensor>;
using Levels = std::array<Tensor, peaknet_levels>;

template <class... Numbers>
void tell(const PeakNetWatch& watch, fmt::format_string<Numbers...> part, const Tensor& output,
          Numbers&&... numbers) {
  if (watch) watch(fmt::format(part, std::forward<Numbers>(numbers)...), output);
}

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
  const Tensor share = (response / (response.mean(-1, true) + 1e-6)).contiguous();
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

Levels backbone(const PeakNetParts<Tensor>& net, const Tensor& images, const PeakNetWatch& watch) {
  Levels levels;
  const std::int64_t patch = net.embeddings.weight.size(2);
  Tensor x = channel_norm(net.embeddings_norm, conv(net.embeddings, images, patch));
  tell(watch, "backbone.embeddings", x);
  for (std::size_t s = 0; s < peaknet_levels; ++s) {
    const PeakNetStage<Tensor>& stage = net.stages[s];
    if (stage.downsampling) {
      x = conv(stage.downsampling->conv, channel_norm(stage.downsampling->norm, x), 2);
    }
    for (std::size_t b = 0; b < stage.blocks.size(); ++b) {
      convnext(stage.blocks[b], x);
      tell(watch, "backbone.encoder.stages.{}.layers.{}", x, s, b);
    }
    levels[s] = channel_norm(stage.norm, x);
    tell(watch, "backbone.hidden_states_norms.stage{}", levels[s], s + 1);
  }
  return levels;
}

// ---------------------------------------------------------------- BiFPN

// `mean` is used up.
Tensor bifpn_node(const BiFpnNode<Tensor>& node, const Tensor& mean, const Tensor& p) {
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

}  // namespace

Tensor peaknet_logits(const PeakNetParts<Tensor>& net, const Tensor& images,
                      const PeakNetWatch& watch) {
  Levels levels = backbone(net, images, watch);
  for (std::size_t l = 0; l < peaknet_levels; ++l) {
    levels[l] = conv(net.adapters[l], levels[l]);
    tell(watch, "backbone_to_bifpn.{}", levels[l], l);
  }
  for (std::size_t b = 0; b < net.bifpn.size(); ++b) {
    levels = bifpn(net.bifpn[b], levels);
    for (std::size_t l = 0; l < peaknet_levels; ++l)
      tell(watch, "bifpn.blocks.{}.{}", levels[l], b, l);
  }
  Tensor sum;
  for (std::size_t l = 0; l < peaknet_levels; ++l) {
    const Tensor seen = head(net.heads[l], l, levels[l]);
    tell(watch, "seg_lateral_layers.{}", seen, l);
    if (l == 0)
      sum = seen;
    else
      sum.add_(seen);
  }
  const Tensor segmask = conv(net.segmask, sum);
  tell(watch, "head_segmask", segmask);
  const std::int64_t patch = net.embeddings.weight.size(2);
  Tensor logits = resized(segmask, static_cast<double>(patch));
  if (net.upsampling) {
    const Tensor more =
        at::conv_transpose2d(sum, net.upsampling->weight, net.upsampling->bias, patch, 1);
    tell(watch, "head_upsample_layer", more);
    logits.add_(more);
  }
  return logits;
}

}  // namespace pnflow
