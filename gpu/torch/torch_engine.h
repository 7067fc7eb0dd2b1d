#pragma once

#include "gpu/engine.h"

namespace pnflow {

// Runs a TorchScript file (.pt) or an AOTInductor package (.pt2) on the CPU. The model takes
// (N, 1, H, W) in the settings' precision and gives logits (N, 2, H, W) in any floating type; class
// 1 is where its logit is the greater one.
class TorchEngineFactory : public EngineFactory {
 public:
  std::vector<std::unique_ptr<InferenceEngine>> make(const EngineSettings& settings) const override;
};

}  // namespace pnflow
