#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

#include "gpu/cuda/cuda_memory.h"
#include "gpu/engine_settings.h"
#include "gpu/peaknet/folded_weights.h"
#include "gpu/peaknet_cuda/kernels.h"

namespace pnflow {

// FoldedPeakNet in a device's memory: what libraries multiply with is of the network's precision,
// what pnflow's own kernels read beside it is float32. gpu/peaknet/folded_weights.h has the shapes.

struct PlacedLinear {
  const void* weight = nullptr;
  const void* bias = nullptr;
};

struct PlacedBlock {
  DeviceAffine depthwise;
  PlacedLinear wide;
  const float* response_weight = nullptr;
  PlacedLinear narrow;
};

struct PlacedBackboneStage {
  std::optional<PlacedLinear> downsampling;
  std::vector<PlacedBlock> blocks;
  PlacedLinear adapter;
};

struct PlacedNode {
  std::vector<float> shares;
  const void* pointwise = nullptr;
  DeviceAffine norm;
  // By absolute value, of the norm's weights and biases.
  float largest_weight = std::numeric_limits<float>::infinity();
};

struct PlacedBiFpnBlock {
  std::array<PlacedNode, 3> m, q;
};

struct PlacedHeadLayer {
  PlacedLinear conv;
  DeviceAffine norm;
};

struct PlacedParts {
  Stem embeddings;
  std::array<PlacedBackboneStage, peaknet_levels> stages;
  std::vector<PlacedBiFpnBlock> bifpn;
  std::array<std::vector<PlacedHeadLayer>, peaknet_levels> heads;
  const float* score_weight = nullptr;
};

// Read by any number of threads.
class PlacedPeakNet {
 public:
  // In the memory of the current device. Waits until all are there. Throws CudaError.
  PlacedPeakNet(const FoldedPeakNet& network, Precision precision);

  const PeakNetConfig& config() const { return config_; }
  Precision precision() const { return precision_; }
  const PlacedParts& parts() const { return parts_; }
  std::size_t scores() const { return scores_; }
  float bias() const { return bias_; }  // of the scores

 private:
  PeakNetConfig config_;
  Precision precision_;
  std::size_t scores_;
  float bias_;
  CudaBuffer memory_{MemoryKind::device};
  PlacedParts parts_;
};

}  // namespace pnflow
