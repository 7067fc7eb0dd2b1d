#pragma once

#include "gpu/engine.h"

namespace pnflow {

// Does all that an engine does but the network: prepares each image as a network would take it,
// finds nothing, and returns empty maps. For measuring what is around a network.
class NoneEngineFactory : public EngineFactory {
 public:
  std::vector<std::unique_ptr<InferenceEngine>> make(const EngineSettings& settings) const override;
};

}  // namespace pnflow
