// What libpnflow_cuda.so exports.

#include <memory>
#include <string>

#include "gpu/cuda/cuda_pipelines.h"
#include "graph/abi.h"
#include "graph/registry.h"

extern "C" PNFLOW_API const char* pnflow_abi();
extern "C" PNFLOW_API void pnflow_register(pnflow::Registry& registry);

const char* pnflow_abi() { return PNFLOW_ABI_STRING; }

void pnflow_register(pnflow::Registry& registry) {
  const std::shared_ptr<pnflow::PipelineFactory> factory =
      std::make_shared<pnflow::CudaPipelines>();
  registry.offer(std::string(pnflow::pipeline_interface), "cuda", factory);
}
