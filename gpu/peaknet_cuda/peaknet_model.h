#pragma once

#include <memory>

#include "gpu/device_model.h"
#include "gpu/peaknet_cuda/placed_weights.h"

namespace pnflow {

// A network on the current device, which is `device`, in the arithmetic of its weights.
std::unique_ptr<DeviceModel> make_peaknet_model(std::shared_ptr<const PlacedPeakNet> net,
                                                int device, const EngineSettings& settings);

// Engine "peaknet" on a GPU: the network of a state dict, by pnflow's own kernels, cuBLASLt and
// cuDNN. settings.weights is a file that read_state_dict() takes.
class PeakNetModelFactory : public DeviceModelFactory {
 public:
  // Models on one device share their weights.
  std::vector<std::unique_ptr<DeviceModel>> make(const EngineSettings& settings) const override;
};

}  // namespace pnflow
