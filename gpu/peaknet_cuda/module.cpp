// What libpnflow_peaknet.so exports.

#include <memory>
#include <string>

#include "gpu/peaknet_cuda/peaknet_model.h"
#include "graph/abi.h"
#include "graph/registry.h"

extern "C" PNFLOW_API const char* pnflow_abi();
extern "C" PNFLOW_API void pnflow_register(pnflow::Registry& registry);

const char* pnflow_abi() { return PNFLOW_ABI_STRING; }

void pnflow_register(pnflow::Registry& registry) {
  // A program finds a factory as a void pointer, so it must be one to exactly this base.
  const std::shared_ptr<pnflow::DeviceModelFactory> models =
      std::make_shared<pnflow::PeakNetModelFactory>();
  registry.offer(std::string(pnflow::device_model_interface), "peaknet", models);
}
