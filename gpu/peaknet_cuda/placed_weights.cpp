#include "gpu/peaknet_cuda/placed_weights.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "gpu/cuda/cuda_check.h"
#include "gpu/peaknet/memory_plan.h"

namespace pnflow {

namespace {

std::vector<std::uint16_t> rounded(const Values& values, Precision precision) {
  std::vector<std::uint16_t> bits(values.size());
  std::ranges::transform(values, bits.begin(), [&](float value) {
    return precision == Precision::bfloat16 ? __bfloat16_as_ushort(__float2bfloat16(value))
                                            : __half_as_ushort(__float2half(value));
  });
  return bits;
}

// Puts weights into memory, one behind the other. Without memory it only counts the bytes.
class Placer {
 public:
  Placer(std::byte* memory, Precision precision) : memory_(memory), precision_(precision) {}

  std::size_t bytes() const { return used_; }

  PlacedParts parts(const FoldedPeakNet& network) {
    const PeakNetConfig& config = network.config;
    PlacedParts parts;
    parts.embeddings = {config.patch_size, config.hidden_sizes[0],
                        affine(network.embeddings.weight, network.embeddings.bias),
                        affine(network.embeddings_norm_weight, network.embeddings_norm_bias)};
    for (std::size_t s = 0; s < peaknet_levels; ++s) {
      parts.stages[s] = stage(network.stages[s]);
      for (const FoldedHeadLayer& layer : network.heads[s]) {
        parts.heads[s].push_back({linear(layer.conv), affine(layer.norm_weight, layer.norm_bias)});
      }
    }
    for (const FoldedBiFpnBlock& block : network.bifpn) {
      PlacedBiFpnBlock& placed = parts.bifpn.emplace_back();
      std::ranges::transform(block.m, placed.m.begin(), [&](auto& m) { return node(m); });
      std::ranges::transform(block.q, placed.q.begin(), [&](auto& q) { return node(q); });
    }
    parts.score_weight = floats(network.scores.weight);
    return parts;
  }

 private:
  PlacedBackboneStage stage(const FoldedStage& stage) {
    PlacedBackboneStage placed;
    if (stage.downsampling) placed.downsampling = linear(*stage.downsampling);
    for (const FoldedBlock& block : stage.blocks) {
      placed.blocks.push_back({affine(block.depthwise, block.depthwise_bias), linear(block.wide),
                               floats(block.response_weight), linear(block.narrow)});
    }
    placed.adapter = linear(stage.adapter);
    return placed;
  }

  PlacedNode node(const FoldedNode& node) {
    float largest = 0;
    for (const Values* values : {&node.norm_weight, &node.norm_bias}) {
      for (const float value : *values) largest = std::max(largest, std::abs(value));
    }
    return {node.shares, values(node.pointwise), affine(node.norm_weight, node.norm_bias), largest};
  }

  PlacedLinear linear(const FoldedLinear& linear) {
    return {values(linear.weight), values(linear.bias)};
  }

  DeviceAffine affine(const Values& weight, const Values& bias) {
    return {floats(weight), floats(bias)};
  }

  const float* floats(const Values& values) { return static_cast<const float*>(put(values)); }

  const void* values(const Values& values) {
    if (precision_ == Precision::float32) return put(values);
    return put(rounded(values, precision_));
  }

  template <class Value>
  const void* put(const std::vector<Value>& values) {
    const std::size_t bytes = values.size() * sizeof(Value);
    std::byte* const at = memory_ == nullptr ? nullptr : memory_ + used_;
    used_ += MemoryPlan::room_of(bytes);
    if (at != nullptr) {
      check(cudaMemcpy(at, values.data(), bytes, cudaMemcpyHostToDevice), "cudaMemcpy of weights");
    }
    return at;
  }

  std::byte* memory_;
  Precision precision_;
  std::size_t used_ = 0;
};

}  // namespace

PlacedPeakNet::PlacedPeakNet(const FoldedPeakNet& network, Precision precision)
    : config_(network.config),
      precision_(precision),
      scores_(network.scores.scores),
      bias_(network.scores.bias) {
  Placer counter(nullptr, precision);
  counter.parts(network);
  memory_.reserve(counter.bytes());
  parts_ = Placer(memory_.data(), precision).parts(network);
  // The last copy may be on its way still, and streams do not wait for it.
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

}  // namespace pnflow
