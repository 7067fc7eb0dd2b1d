#pragma once

#include <memory>

#include "gpu/device_model.h"
#include "gpu/peaknet/algorithm_cache.h"
#include "gpu/peaknet_cuda/placed_weights.h"

namespace pnflow {

// A network on the current device, which is `device`, in the arithmetic of its weights. Those with
// one cache give the same bits.
std::unique_ptr<DeviceModel> make_peaknet_model(std::shared_ptr<const PlacedPeakNet> net,
                                                std::shared_ptr<AlgorithmCache> cache, int device,
                                                const EngineSettings& settings);

// Engine "peaknet" on a GPU: the network of a state dict, by pnflow's own kernels, cuBLASLt and
// cuDNN. settings.weights is a file that read_state_dict() takes.
class PeakNetModelFactory : public DeviceModelFactory {
 public:
  // Models on one device share their weights, all models what is known of algorithms.
  std::vector<std::unique_ptr<DeviceModel>> make(const EngineSettings& settings) const override;

 private:
  // Of the models that there are: it logs to the run in which the first of them was made.
  mutable std::weak_ptr<AlgorithmCache> cache_;
};

}  // namespace pnflow
