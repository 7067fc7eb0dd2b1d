#pragma once

#include "gpu/device_model.h"

namespace pnflow {

// Runs a TorchScript file (.pt) or an AOTInductor package (.pt2) in a pipeline on a GPU. LibTorch's
// own allocator keeps the memory of activations, by stream; after the warm-up it asks CUDA for
// nothing more.
class TorchDeviceModelFactory : public DeviceModelFactory {
 public:
  std::vector<std::unique_ptr<DeviceModel>> make(const EngineSettings& settings) const override;
};

}  // namespace pnflow
