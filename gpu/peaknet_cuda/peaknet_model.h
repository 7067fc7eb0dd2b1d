#pragma once

#include "gpu/device_model.h"

namespace pnflow {

// Engine "peaknet" on a GPU: the network of a state dict, by pnflow's own kernels, cuBLASLt and
// cuDNN. settings.weights is a file that read_state_dict() takes.
class PeakNetModelFactory : public DeviceModelFactory {
 public:
  // Models on one device share their weights.
  std::vector<std::unique_ptr<DeviceModel>> make(const EngineSettings& settings) const override;
};

}  // namespace pnflow
