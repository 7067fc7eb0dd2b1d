#include "gpu/builtin_engines.h"

#include <memory>
#include <string>

#include "gpu/engine.h"
#include "gpu/none_engine.h"
#include "gpu/threshold_engine.h"

namespace pnflow {

namespace {

template <class Factory>
void offer(Registry& registry, const char* name) {
  // A module finds the factory as a void pointer, so it must be one to exactly this base.
  const std::shared_ptr<EngineFactory> factory = std::make_shared<Factory>();
  registry.offer(std::string(engine_interface), name, factory);
}

}  // namespace

void register_builtin_engines(Registry& registry) {
  offer<ThresholdEngineFactory>(registry, "threshold");
  offer<NoneEngineFactory>(registry, "none");
}

}  // namespace pnflow
