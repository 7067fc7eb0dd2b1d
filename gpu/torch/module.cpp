// What libpnflow_torch.so exports.

#include <memory>
#include <string>

#include "gpu/torch/torchscript_engine.h"
#include "graph/abi.h"
#include "graph/registry.h"

extern "C" PNFLOW_API const char* pnflow_abi();
extern "C" PNFLOW_API void pnflow_register(pnflow::Registry& registry);

const char* pnflow_abi() { return PNFLOW_ABI_STRING; }

void pnflow_register(pnflow::Registry& registry) {
  const std::shared_ptr<pnflow::EngineFactory> factory =
      std::make_shared<pnflow::TorchScriptEngineFactory>();
  registry.offer(std::string(pnflow::engine_interface), "torchscript", factory);
}
