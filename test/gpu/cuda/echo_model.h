#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <vector>

#include "gpu/device_model.h"

namespace pnflow::test {

// A network whose logit of class 1 is the value of the pixel, and that of class 0 is 0: what it is
// given comes back. `channels_last` lays its answer out as (N, H, W, 2).
class EchoModels : public DeviceModelFactory {
 public:
  explicit EchoModels(bool channels_last = false, std::size_t fixed_batch = 0)
      : channels_last_(channels_last), fixed_batch_(fixed_batch) {}
  std::vector<std::unique_ptr<DeviceModel>> make(const EngineSettings& settings) const override;

 private:
  bool channels_last_;
  std::size_t fixed_batch_;
};

}  // namespace pnflow::test
