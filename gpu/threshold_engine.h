#pragma once

#include "gpu/engine.h"

namespace pnflow {

// The peak finder of gpu/threshold.h as an engine.
class ThresholdEngineFactory : public EngineFactory {
 public:
  std::vector<std::unique_ptr<InferenceEngine>> make(const EngineSettings& settings) const override;
};

}  // namespace pnflow
