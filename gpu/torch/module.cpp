// What libpnflow_torch.so exports.

#include <memory>
#include <string>

#include "gpu/torch/torch_engine.h"
#include "graph/abi.h"
#include "graph/registry.h"

#ifdef PNFLOW_TORCH_CUDA
#include "gpu/torch/torch_device_model.h"
#endif

extern "C" PNFLOW_API const char* pnflow_abi();
extern "C" PNFLOW_API void pnflow_register(pnflow::Registry& registry);

const char* pnflow_abi() { return PNFLOW_ABI_STRING; }

void pnflow_register(pnflow::Registry& registry) {
  using namespace pnflow;
  // A program finds a factory as a void pointer, so it must be one to exactly this base.
  const std::shared_ptr<EngineFactory> engines = std::make_shared<TorchEngineFactory>();
  for (const char* name : {"torchscript", "aoti", "peaknet"}) {
    registry.offer(std::string(engine_interface), name, engines);
  }
#ifdef PNFLOW_TORCH_CUDA
  const std::shared_ptr<DeviceModelFactory> models = std::make_shared<TorchDeviceModelFactory>();
  for (const char* name : {"torchscript", "aoti"}) {
    registry.offer(std::string(device_model_interface), name, models);
  }
#endif
}
