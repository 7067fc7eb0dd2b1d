#pragma once

#include <array>
#include <optional>
#include <vector>

#include "gpu/peaknet/peaknet_config.h"
#include "gpu/peaknet/peaknet_structure.h"
#include "gpu/peaknet/peaknet_weights.h"

namespace pnflow {

// PeakNet's weights as fused kernels take them: whatever is linear and next to a matrix product has
// become part of it, so that no pass over an activation is spent on it. The algebra is exact; sums
// are formed in double. Matrices have a row for each output and are in C order.

using Values = std::vector<float>;

struct FoldedLinear {
  Values weight;  // outputs x inputs
  Values bias;    // outputs
};

// y = depthwise(x); z = (y - mean) / deviation;  h = GELU(wide z + its bias);
// x += narrow diag(1 + response_weight * share) h + its bias
struct FoldedBlock {
  Values depthwise;        // 49 x channels: of each place in the window, rows first
  Values depthwise_bias;   // channels
  FoldedLinear wide;       // 4 channels x channels: the LayerNorm's weight and bias are in it
  Values response_weight;  // 4 channels
  FoldedLinear narrow;     // channels x 4 channels: the response norm's bias is in its bias
};

struct FoldedStage {
  // channels x (2 x 2 x channels of the stage before), of normalised pixels: rows, columns,
  // channels. The LayerNorm's weight and bias are in it.
  std::optional<FoldedLinear> downsampling;
  std::vector<FoldedBlock> blocks;
  FoldedLinear adapter;  // features x channels, of normalised pixels
};

// GELU(norm(pointwise (shares[0] a + shares[1] b + ...))) + p
struct FoldedNode {
  std::vector<float> shares;  // of its two inputs (p, deeper m), or three (p, m, shallower q)
  // features x features: the depthwise weights are in it, and the mean over its outputs, which the
  // norm takes off anyway, is not.
  Values pointwise;
  Values norm_weight, norm_bias;
};

struct FoldedBiFpnBlock {
  std::array<FoldedNode, 3> m;  // of levels 0, 1, 2
  std::array<FoldedNode, 3> q;  // of levels 1, 2, 3
};

struct FoldedHeadLayer {
  FoldedLinear conv;  // outputs x (3 x 3 x inputs): rows, columns, channels
  Values norm_weight, norm_bias;
};

// What decides between the classes: logit 1 - logit 0 at a pixel of the image is
//     bilinear(score 0) + the learned upsampling of scores 1 ... + bias
// where the scores are linear in the heads' sum. That and the bilinear upsampling before it
// commute, so that each head's last layer can give scores instead of its channels.
struct FoldedScores {
  std::size_t scores = 1;  // and (patch + 2)^2 more with a learned upsampling: rows, columns
  Values weight;           // scores x head_features
  float bias = 0;
};

struct FoldedPeakNet {
  PeakNetConfig config;
  FoldedLinear embeddings;  // patch * patch x channels: transposed, for sums over few pixels
  Values embeddings_norm_weight, embeddings_norm_bias;
  std::array<FoldedStage, peaknet_levels> stages;
  std::vector<FoldedBiFpnBlock> bifpn;
  std::array<std::vector<FoldedHeadLayer>, peaknet_levels> heads;
  FoldedScores scores;
};

FoldedPeakNet fold_peaknet(const PeakNetConfig& config, const PeakNetParts<Values>& parts);
FoldedPeakNet fold_peaknet(const PeakNetWeights& weights);

// The parts of it, each for itself.
FoldedBlock fold_block(const ConvNextBlock<Values>& block);
// (outputs, inputs, side, side) behind a LayerNorm of its inputs, to outputs x (side x side x
// inputs) of pixels that are only normalised.
FoldedLinear fold_norm(const WeightAndBias<Values>& norm, const WeightAndBias<Values>& conv,
                       std::size_t side);
// `weights` are w_m's or w_q's of the node, masked ones 0.
FoldedNode fold_node(const BiFpnNode<Values>& node, const Values& weights);
FoldedScores fold_scores(const PeakNetConfig& config, const WeightAndBias<Values>& segmask,
                         const std::optional<WeightAndBias<Values>>& upsampling);

}  // namespace pnflow
