#include "gpu/peaknet/folded_weights.h"

#include <algorithm>
#include <cstddef>

namespace pnflow {

namespace {

// (rows, columns) to (columns, rows).
Values transposed(const Values& matrix, std::size_t rows) {
  const std::size_t columns = matrix.size() / rows;
  Values turned(matrix.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) turned[c * rows + r] = matrix[r * columns + c];
  }
  return turned;
}

// A convolution's weights (outputs, inputs, side, side) as outputs x (side x side x inputs).
Values channels_last(const Values& weight, std::size_t outputs, std::size_t places) {
  const std::size_t each = weight.size() / outputs;
  Values turned;
  turned.reserve(weight.size());
  for (std::size_t o = 0; o < outputs; ++o) {
    const auto from = weight.begin() + static_cast<std::ptrdiff_t>(o * each);
    const Values row = transposed({from, from + static_cast<std::ptrdiff_t>(each)}, each / places);
    turned.insert(turned.end(), row.begin(), row.end());
  }
  return turned;
}

// bias + weight times `inputs`, which are repeated along the rows.
Values biased(const Values& bias, const Values& weight, const Values& inputs) {
  const std::size_t columns = weight.size() / bias.size();
  Values sums(bias.size());
  for (std::size_t o = 0; o < bias.size(); ++o) {
    double sum = bias[o];
    for (std::size_t c = 0; c < columns; ++c) {
      sum += double{weight[o * columns + c]} * double{inputs[c % inputs.size()]};
    }
    sums[o] = static_cast<float>(sum);
  }
  return sums;
}

// Multiplies each column by the factor of its input; factors are repeated along the rows.
Values scaled_columns(Values weight, const Values& factors) {
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] *= factors[i % factors.size()];
  return weight;
}

// Takes the mean off each column.
Values centred_columns(Values matrix, std::size_t rows) {
  const std::size_t columns = matrix.size() / rows;
  for (std::size_t c = 0; c < columns; ++c) {
    double sum = 0;
    for (std::size_t r = 0; r < rows; ++r) sum += matrix[r * columns + c];
    const auto mean = static_cast<float>(sum / static_cast<double>(rows));
    for (std::size_t r = 0; r < rows; ++r) matrix[r * columns + c] -= mean;
  }
  return matrix;
}

// The affine part of a norm into the matrix behind it.
FoldedLinear fold_affine(const WeightAndBias<Values>& norm, const Values& weight,
                         const Values& bias) {
  return {scaled_columns(weight, norm.weight), biased(bias, weight, norm.bias)};
}

// Row `row` of w_m or w_q.
Values fusion_weights(const Values& weights, const Values* mask, std::size_t row) {
  const std::size_t columns = weights.size() / 3;
  Values chosen;
  for (std::size_t i = row * columns; i < (row + 1) * columns; ++i) {
    chosen.push_back(mask == nullptr ? weights[i] : weights[i] * (*mask)[i]);
  }
  return chosen;
}

FoldedBiFpnBlock fold_bifpn_block(const BiFpnBlock<Values>& block) {
  FoldedBiFpnBlock folded;
  for (std::size_t row = 0; row < 3; ++row) {
    const std::size_t level = 2 - row;  // w_m begins with the deepest
    folded.m[level] = fold_node(block.m[level], fusion_weights(block.w_m, nullptr, row));
    folded.q[row] = fold_node(block.q[row], fusion_weights(block.w_q, &block.w_q_mask, row));
  }
  return folded;
}

std::vector<FoldedHeadLayer> fold_head(const std::vector<PeakNetHeadLayer<Values>>& layers) {
  std::vector<FoldedHeadLayer> folded;
  for (const auto& [conv, norm] : layers) {
    folded.push_back({{channels_last(conv.weight, conv.bias.size(), std::size_t{3} * 3), conv.bias},
                      norm.weight,
                      norm.bias});
  }
  return folded;
}

}  // namespace

FoldedBlock fold_block(const ConvNextBlock<Values>& block) {
  const std::size_t channels = block.dwconv.bias.size();
  return {transposed(block.dwconv.weight, channels),
          block.dwconv.bias,
          fold_affine(block.layernorm, block.pwconv1.weight, block.pwconv1.bias),
          block.grn.weight,
          {block.pwconv2.weight, biased(block.pwconv2.bias, block.pwconv2.weight, block.grn.bias)}};
}

FoldedLinear fold_norm(const WeightAndBias<Values>& norm, const WeightAndBias<Values>& conv,
                       std::size_t side) {
  return fold_affine(norm, channels_last(conv.weight, conv.bias.size(), side * side), conv.bias);
}

FoldedNode fold_node(const BiFpnNode<Values>& node, const Values& weights) {
  double sum = 1e-5;
  for (const float weight : weights) sum += std::max(weight, 0.0F);
  FoldedNode folded;
  for (const float weight : weights) {
    folded.shares.push_back(static_cast<float>(std::max(weight, 0.0F) / sum));
  }
  folded.pointwise =
      centred_columns(scaled_columns(node.pointwise, node.depthwise), node.norm.weight.size());
  folded.norm_weight = node.norm.weight;
  folded.norm_bias = node.norm.bias;
  return folded;
}

FoldedScores fold_scores(const PeakNetConfig& config, const WeightAndBias<Values>& segmask,
                         const std::optional<WeightAndBias<Values>>& upsampling) {
  const std::size_t features = config.head_features;
  FoldedScores scores;
  for (std::size_t c = 0; c < features; ++c) {
    scores.weight.push_back(segmask.weight[features + c] - segmask.weight[c]);
  }
  scores.bias = segmask.bias[1] - segmask.bias[0];
  if (!upsampling) return scores;
  const std::size_t places = (config.patch_size + 2) * (config.patch_size + 2);
  scores.scores += places;
  for (std::size_t place = 0; place < places; ++place) {
    for (std::size_t c = 0; c < features; ++c) {  // (head_features, classes, side, side)
      const float* const of_channel = upsampling->weight.data() + c * peaknet_classes * places;
      scores.weight.push_back(of_channel[places + place] - of_channel[place]);
    }
  }
  scores.bias += upsampling->bias[1] - upsampling->bias[0];
  return scores;
}

FoldedPeakNet fold_peaknet(const PeakNetConfig& config, const PeakNetParts<Values>& parts) {
  FoldedPeakNet folded;
  folded.config = config;
  folded.embeddings = {transposed(parts.embeddings.weight, config.hidden_sizes[0]),
                       parts.embeddings.bias};
  folded.embeddings_norm_weight = parts.embeddings_norm.weight;
  folded.embeddings_norm_bias = parts.embeddings_norm.bias;
  for (std::size_t s = 0; s < peaknet_levels; ++s) {
    const PeakNetStage<Values>& stage = parts.stages[s];
    if (stage.downsampling) {
      folded.stages[s].downsampling =
          fold_norm(stage.downsampling->norm, stage.downsampling->conv, 2);
    }
    for (const auto& block : stage.blocks) folded.stages[s].blocks.push_back(fold_block(block));
    folded.stages[s].adapter = fold_norm(stage.norm, parts.adapters[s], 1);
    folded.heads[s] = fold_head(parts.heads[s]);
  }
  for (const auto& block : parts.bifpn) folded.bifpn.push_back(fold_bifpn_block(block));
  folded.scores = fold_scores(config, parts.segmask, parts.upsampling);
  return folded;
}

FoldedPeakNet fold_peaknet(const PeakNetWeights& weights) {
  return fold_peaknet(weights.config,
                      make_peaknet(weights.config, [&](const PeakNetTensor& tensor) {
                        return floats_of(weights[tensor.name]);
                      }));
}

}  // namespace pnflow
