#include "gpu/peaknet/folded_weights.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

using namespace pnflow;

namespace {

// The network's formulas, as PyTorch has them, in double.
using Row = std::vector<double>;

std::mt19937 generator(3);

Values random_values(std::size_t count) {
  std::normal_distribution<float> normal;
  Values values(count);
  std::ranges::generate(values, [&] { return normal(generator); });
  return values;
}

Row random_row(std::size_t count) {
  const Values values = random_values(count);
  return {values.begin(), values.end()};
}

WeightAndBias<Values> random_layer(std::size_t weights, std::size_t biases) {
  return {random_values(weights), random_values(biases)};
}

Row linear(const Values& weight, const Values& bias, const Row& x) {
  Row y(bias.begin(), bias.end());
  for (std::size_t o = 0; o < y.size(); ++o) {
    for (std::size_t c = 0; c < x.size(); ++c) y[o] += double{weight[o * x.size() + c]} * x[c];
  }
  return y;
}

Row normalised(Row x) {
  const double mean = std::reduce(x.begin(), x.end()) / static_cast<double>(x.size());
  double square = 0;
  for (double& value : x) {
    value -= mean;
    square += value * value;
  }
  for (double& value : x) value /= std::sqrt(square / static_cast<double>(x.size()) + 1e-6);
  return x;
}

Row layer_norm(const WeightAndBias<Values>& norm, const Row& x) {
  Row y = normalised(x);
  for (std::size_t c = 0; c < y.size(); ++c) y[c] = y[c] * norm.weight[c] + norm.bias[c];
  return y;
}

Row gelu(Row x) {
  for (double& value : x) value *= 0.5 * (1 + std::erf(value / std::sqrt(2.0)));
  return x;
}

void check_near(const Row& a, const Row& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(std::abs(a[i] - b[i]) < 2e-6 * (10 + std::abs(b[i])));
  }
}

// Of each of `shares` of channels: their share in the mean response of these pixels.
Row shares_of(const std::vector<Row>& pixels) {
  Row shares(pixels[0].size());
  for (const Row& pixel : pixels) {
    for (std::size_t c = 0; c < pixel.size(); ++c) shares[c] += pixel[c] * pixel[c];
  }
  for (double& share : shares) share = std::sqrt(share);
  const double mean =
      std::reduce(shares.begin(), shares.end()) / static_cast<double>(shares.size());
  for (double& share : shares) share /= mean + 1e-6;
  return shares;
}

}  // namespace

TEST_CASE("a folded ConvNeXt block does what the block does") {
  const std::size_t channels = 5;
  const std::size_t wide = 4 * channels;
  ConvNextBlock<Values> block{random_layer(channels * 49, channels),
                              random_layer(channels, channels), random_layer(wide * channels, wide),
                              random_layer(wide, wide), random_layer(channels * wide, channels)};
  const FoldedBlock folded = fold_block(block);
  CHECK(folded.depthwise[48 * channels + 2] == block.dwconv.weight[2 * 49 + 48]);
  CHECK(folded.depthwise_bias == block.dwconv.bias);
  std::vector<Row> seen;
  for (int pixel = 0; pixel < 6; ++pixel) seen.push_back(random_row(channels));
  std::vector<Row> hidden;
  std::vector<Row> folded_hidden;
  for (const Row& pixel : seen) {
    hidden.push_back(
        gelu(linear(block.pwconv1.weight, block.pwconv1.bias, layer_norm(block.layernorm, pixel))));
    folded_hidden.push_back(gelu(linear(folded.wide.weight, folded.wide.bias, normalised(pixel))));
    check_near(folded_hidden.back(), hidden.back());
  }
  const Row shares = shares_of(hidden);
  for (std::size_t pixel = 0; pixel < seen.size(); ++pixel) {
    Row expected = hidden[pixel];
    Row weighed = folded_hidden[pixel];
    for (std::size_t c = 0; c < wide; ++c) {
      expected[c] += block.grn.weight[c] * expected[c] * shares[c] + block.grn.bias[c];
      weighed[c] *= 1 + folded.response_weight[c] * shares[c];
    }
    check_near(linear(folded.narrow.weight, folded.narrow.bias, weighed),
               linear(block.pwconv2.weight, block.pwconv2.bias, expected));
  }
}

TEST_CASE("a 2x2 convolution takes the norm before it in") {
  const std::size_t in = 6;
  const std::size_t out = 7;
  const WeightAndBias<Values> norm = random_layer(in, in);
  const WeightAndBias<Values> conv = random_layer(out * in * 4, out);
  const FoldedLinear folded = fold_norm(norm, conv, 2);
  Row expected(conv.bias.begin(), conv.bias.end());
  Row together;  // the normalised pixels of the window: rows, columns, channels
  for (std::size_t place = 0; place < 4; ++place) {
    const Row pixel = random_row(in);
    const Row seen = layer_norm(norm, pixel);
    const Row plain = normalised(pixel);
    together.insert(together.end(), plain.begin(), plain.end());
    for (std::size_t o = 0; o < out; ++o) {
      for (std::size_t c = 0; c < in; ++c) {
        expected[o] += double{conv.weight[(o * in + c) * 4 + place]} * seen[c];
      }
    }
  }
  check_near(linear(folded.weight, folded.bias, together), expected);
}

TEST_CASE("a node's mean counts positive weights only, and its depthwise weights are taken in") {
  const std::size_t features = 4;
  const BiFpnNode<Values> node{random_values(features), random_values(features * features),
                               random_layer(features, features)};
  const FoldedNode folded = fold_node(node, {0.5F, -1.0F, 1.5F});
  check_near({folded.shares.begin(), folded.shares.end()}, {0.5 / 2.00001, 0, 1.5 / 2.00001});
  const Row x = random_row(features);
  Row weighed = x;
  for (std::size_t c = 0; c < features; ++c) weighed[c] *= node.depthwise[c];
  const Values none(features);
  Row expected = linear(node.pointwise, none, weighed);
  const double mean = std::accumulate(expected.begin(), expected.end(), 0.0) / features;
  for (double& value : expected) value -= mean;  // as the norm behind it does
  check_near(linear(folded.pointwise, none, x), expected);
  CHECK(fold_node(node, {-1.0F, -2.0F}).shares == std::vector<float>{0, 0});
}

TEST_CASE("scores are differences between the classes, of every place of a learned upsampling") {
  const PeakNetConfig config{{8, 8, 8, 8}, {1, 1, 1, 1}, 1, 8, 32, true, 2};
  const std::size_t features = config.head_features;
  const WeightAndBias<Values> segmask = random_layer(2 * features, 2);
  const WeightAndBias<Values> upsampling = random_layer(features * 2 * 16, 2);
  const FoldedScores plain = fold_scores(config, segmask, std::nullopt);
  CHECK(plain.scores == 1);
  const FoldedScores learned = fold_scores(config, segmask, upsampling);
  REQUIRE(learned.scores == 17);
  REQUIRE(learned.weight.size() == 17 * features);
  const Row x = random_row(features);
  const Row logits = linear(segmask.weight, segmask.bias, x);
  check_near(linear(plain.weight, {plain.bias}, x), {logits[1] - logits[0]});
  for (std::size_t place = 0; place < 16; ++place) {
    double expected = 0;
    double score = 0;
    for (std::size_t c = 0; c < features; ++c) {
      const float* const at = upsampling.weight.data() + c * 32 + place;
      expected += (double{at[16]} - double{at[0]}) * x[c];
      score += double{learned.weight[(1 + place) * features + c]} * x[c];
    }
    check_near({score}, {expected});
  }
  CHECK(learned.bias == doctest::Approx(plain.bias + upsampling.bias[1] - upsampling.bias[0]));
}

TEST_CASE("every part of every size is folded, to the right shapes") {
  for (const PeakNetConfig& config :
       {PeakNetConfig{{16, 32, 64, 128}, {2, 2, 2, 2}, 1, 32, 32, true, 2},
        PeakNetConfig{{16, 24, 40, 48}, {1, 1, 2, 1}, 2, 24, 64, false, 4}}) {
    PeakNetParts<Values> parts = make_peaknet(config, [](const PeakNetTensor& tensor) {
      std::size_t count = 1;
      for (const std::size_t extent : tensor.shape) count *= extent;
      return random_values(count);
    });
    for (auto& block : parts.bifpn) block.w_q_mask = {1, 1, 1, 1, 1, 1, 0, 1, 1};
    const FoldedPeakNet folded = fold_peaknet(config, parts);
    const std::size_t patch = config.patch_size;
    REQUIRE(folded.embeddings.weight.size() == patch * patch * config.hidden_sizes[0]);
    CHECK(folded.embeddings.weight[1] == parts.embeddings.weight[patch * patch]);
    for (std::size_t s = 0; s < peaknet_levels; ++s) {
      const FoldedStage& stage = folded.stages[s];
      CHECK(stage.downsampling.has_value() == (s > 0));
      CHECK(stage.blocks.size() == config.depths[s]);
      CHECK(stage.adapter.weight.size() == config.features * config.hidden_sizes[s]);
      CHECK(folded.heads[s].size() == PeakNetConfig::head_layers(s));
      const FoldedHeadLayer& layer = folded.heads[s][0];
      CHECK(layer.conv.weight[config.features] == parts.heads[s][0].conv.weight[1]);
    }
    REQUIRE(folded.bifpn.size() == config.bifpn_blocks);
    CHECK(folded.bifpn[0].m[0].shares.size() == 2);
    CHECK(folded.bifpn[0].q[2].shares[0] == 0);  // p is m at the deepest level
    const float w = std::max(parts.bifpn[0].w_m[4], 0.0F);
    const float other = std::max(parts.bifpn[0].w_m[5], 0.0F);
    CHECK(folded.bifpn[0].m[0].shares[0] == doctest::Approx(w / (w + other + 1e-5F)));
  }
}
