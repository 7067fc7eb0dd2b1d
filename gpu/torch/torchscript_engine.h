#pragma once

#include "gpu/engine.h"

namespace pnflow {

// Runs a TorchScript file (.pt) on the CPU. The model takes float32 (N, 1, H, W) and gives logits
// (N, 2, H, W) in float32, float16 or bfloat16; class 1 is where its logit is the greater one.
class TorchScriptEngineFactory : public EngineFactory {
 public:
  std::vector<std::unique_ptr<InferenceEngine>> make(const EngineSettings& settings) const override;
};

}  // namespace pnflow
