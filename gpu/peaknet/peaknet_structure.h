#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "gpu/peaknet/peaknet_config.h"
#include "graph/array.h"

namespace pnflow {

// PeakNet, part by part, as a picture of it would show them, images coming in at the top:
//
//     embeddings          patches of pixels to channels, LayerNorm
//     stages 0 to 3       ConvNeXt V2 blocks, each stage at half the resolution of the one before
//       norm              LayerNorm of what leaves the backbone; the next stage does not see it
//     adapters 0 to 3     1x1, to as many channels on each level
//     bifpn               blocks in which levels hear of each other: m downwards from the deepest
//                         level, which sees most of the image, and q back
//     heads 0 to 3        3x3, GroupNorm, GELU, to the resolution of level 0, where they are summed
//     segmask             1x1, to the classes; bilinear to the pixels
//     upsampling          where there is one: transposed convolution to the pixels, added
//
// T is whatever stands for a tensor: its name and shape, its values on the CPU, their place on a
// GPU.

// One tensor of the network's state dict. Biases and weights of norms have one axis.
struct PeakNetTensor {
  std::string name;
  Shape shape;           // as PyTorch has it: output channels first
  bool boolean = false;  // what it holds; otherwise numbers
  friend bool operator==(const PeakNetTensor&, const PeakNetTensor&) = default;
};

template <class T>
struct WeightAndBias {
  T weight, bias;
};

// dwconv 7x7, layernorm, pwconv1 to four times the channels, GELU, grn, pwconv2; added to the input
template <class T>
struct ConvNextBlock {
  WeightAndBias<T> dwconv, layernorm, pwconv1, grn, pwconv2;
};

template <class T>
struct PeakNetDownsampling {
  WeightAndBias<T> norm, conv;  // 2x2
};

template <class T>
struct PeakNetStage {
  std::optional<PeakNetDownsampling<T>> downsampling;  // not in stage 0
  std::vector<ConvNextBlock<T>> blocks;
  WeightAndBias<T> norm;
};

// The weighted mean of its inputs, depthwise and pointwise (both 1x1, without bias), norm, GELU;
// added to the level's p.
template <class T>
struct BiFpnNode {
  T depthwise, pointwise;
  WeightAndBias<T> norm;
};

template <class T>
struct BiFpnBlock {
  T w_m;                          // (3, 2): rows for levels 2, 1, 0; of p and of the deeper m
  T w_q;                          // (3, 3): rows for levels 1, 2, 3; of p, m and the shallower q
  T w_q_mask;                     // which of w_q count: at level 3, p and m are the same
  std::array<BiFpnNode<T>, 3> m;  // of levels 0, 1, 2
  std::array<BiFpnNode<T>, 3> q;  // of levels 1, 2, 3
};

template <class T>
struct PeakNetHeadLayer {
  WeightAndBias<T> conv, norm;
};

template <class T>
struct PeakNetParts {
  WeightAndBias<T> embeddings, embeddings_norm;
  std::array<PeakNetStage<T>, peaknet_levels> stages;
  std::array<WeightAndBias<T>, peaknet_levels> adapters;
  std::vector<BiFpnBlock<T>> bifpn;
  std::array<std::vector<PeakNetHeadLayer<T>>, peaknet_levels> heads;
  WeightAndBias<T> segmask;
  std::optional<WeightAndBias<T>> upsampling;
};

// Makes every part of a network out of what `make` gives for each of its tensors.
template <class Make>
class PeakNetBuilder {
  using T = std::invoke_result_t<Make&, PeakNetTensor>;

 public:
  PeakNetBuilder(const PeakNetConfig& config, Make& make) : config_(config), make_(make) {}

  PeakNetParts<T> network() {
    const auto [sizes, depths, blocks, features, head_features, learned, patch] = config_;
    PeakNetParts<T> parts;
    parts.embeddings = conv("backbone.embeddings.patch_embeddings", 1, sizes[0], patch);
    parts.embeddings_norm = norm("backbone.embeddings.layernorm", sizes[0]);
    for (std::size_t s = 0; s < peaknet_levels; ++s) parts.stages[s] = stage(s);
    for (std::size_t s = 0; s < peaknet_levels; ++s) {
      parts.adapters[s] = conv("backbone_to_bifpn." + std::to_string(s), sizes[s], features, 1);
    }
    for (std::size_t b = 0; b < blocks; ++b) {
      parts.bifpn.push_back(bifpn_block("bifpn.blocks." + std::to_string(b)));
    }
    for (std::size_t l = 0; l < peaknet_levels; ++l) parts.heads[l] = head(l);
    parts.segmask = conv("head_segmask", head_features, peaknet_classes, 1);
    if (learned) {  // a transposed convolution has its input channels first
      const std::string name = "head_upsample_layer.0";
      parts.upsampling = {
          tensor(name + ".weight", {head_features, peaknet_classes, patch + 2, patch + 2}),
          tensor(name + ".bias", {peaknet_classes})};
    }
    return parts;
  }

 private:
  PeakNetStage<T> stage(std::size_t s) {
    const std::string number = std::to_string(s);
    const std::string name = "backbone.encoder.stages." + number;
    const std::size_t channels = config_.hidden_sizes[s];
    PeakNetStage<T> stage;
    if (s > 0) {
      const std::size_t before = config_.hidden_sizes[s - 1];
      stage.downsampling = {norm(name + ".downsampling_layer.0", before),
                            conv(name + ".downsampling_layer.1", before, channels, 2)};
    }
    for (std::size_t b = 0; b < config_.depths[s]; ++b) {
      stage.blocks.push_back(convnext_block(name + ".layers." + std::to_string(b), channels));
    }
    stage.norm = norm("backbone.hidden_states_norms.stage" + std::to_string(s + 1), channels);
    return stage;
  }

  ConvNextBlock<T> convnext_block(const std::string& name, std::size_t channels) {
    const std::size_t wide = peaknet_expansion * channels;
    return {conv(name + ".dwconv", 1, channels, peaknet_kernel),
            norm(name + ".layernorm", channels),
            {tensor(name + ".pwconv1.weight", {wide, channels}),
             tensor(name + ".pwconv1.bias", {wide})},
            {tensor(name + ".grn.weight", {1, 1, 1, wide}),
             tensor(name + ".grn.bias", {1, 1, 1, wide})},
            {tensor(name + ".pwconv2.weight", {channels, wide}),
             tensor(name + ".pwconv2.bias", {channels})}};
  }

  BiFpnBlock<T> bifpn_block(const std::string& name) {
    return {tensor(name + ".w_m", {3, 2}),
            tensor(name + ".w_q", {3, 3}),
            tensor(name + ".w_q_mask", {3, 3}, true),
            {node(name + ".conv.m2"), node(name + ".conv.m3"), node(name + ".conv.m4")},
            {node(name + ".conv.q3"), node(name + ".conv.q4"), node(name + ".conv.q5")}};
  }

  BiFpnNode<T> node(const std::string& name) {
    const std::size_t features = config_.features;
    return {tensor(name + ".0.depthwise_conv.weight", {features, 1, 1, 1}),
            tensor(name + ".0.pointwise_conv.weight", {features, features, 1, 1}),
            norm(name + ".1", features)};
  }

  std::vector<PeakNetHeadLayer<T>> head(std::size_t level) {
    const std::size_t channels = config_.head_features;
    std::vector<PeakNetHeadLayer<T>> layers;
    for (std::size_t l = 0; l < PeakNetConfig::head_layers(level); ++l) {
      const std::string name =
          "seg_lateral_layers." + std::to_string(level) + ".layers." + std::to_string(l);
      layers.push_back({conv(name + ".0", l == 0 ? config_.features : channels, channels, 3),
                        norm(name + ".1", channels)});
    }
    return layers;
  }

  WeightAndBias<T> conv(const std::string& name, std::size_t from, std::size_t to,
                        std::size_t side) {
    return {tensor(name + ".weight", {to, from, side, side}), tensor(name + ".bias", {to})};
  }

  WeightAndBias<T> norm(const std::string& name, std::size_t channels) {
    return {tensor(name + ".weight", {channels}), tensor(name + ".bias", {channels})};
  }

  T tensor(std::string name, Shape shape, bool boolean = false) {
    return make_(PeakNetTensor{std::move(name), std::move(shape), boolean});
  }

  const PeakNetConfig& config_;
  Make& make_;
};

// make(PeakNetTensor) -> T, called once for each tensor.
template <class Make>
auto make_peaknet(const PeakNetConfig& config, Make make) {
  return PeakNetBuilder<Make>(config, make).network();
}

}  // namespace pnflow
