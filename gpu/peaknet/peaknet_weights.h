#pragma once

#include <string>
#include <vector>

#include "gpu/peaknet/peaknet_config.h"
#include "gpu/peaknet/peaknet_structure.h"
#include "gpu/peaknet/state_dict.h"

namespace pnflow {

// A state dict that is a PeakNet's: each tensor that the configuration asks for, and no other.
struct PeakNetWeights {
  PeakNetConfig config;
  StateDict tensors;

  const WeightTensor& operator[](const std::string& name) const {
    return tensors.find(name)->second;
  }
};

// All tensors of a network, in the order of its parts.
std::vector<PeakNetTensor> tensors_of(const PeakNetConfig& config);

// The configuration that most of the tensors' shapes speak for: one that is missing or misshapen
// does not change it. Throws RunError, which names `file`: nothing in it looks like a PeakNet, or
// it has sizes that a PeakNet cannot have.
PeakNetConfig deduce_peaknet(const StateDict& state, const std::string& file);

// Deduces the configuration and compares each tensor with it. Throws RunError, which names each
// tensor that is missing, superfluous, or of another shape or type, with what was expected, or
// that has a value which is not finite as float32.
PeakNetWeights peaknet_weights(StateDict state, const std::string& file);

// The number of values in all tensors but masks: 33.16 million for size base.
std::size_t parameters_of(const PeakNetConfig& config);

}  // namespace pnflow
