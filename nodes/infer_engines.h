#pragma once

#include <memory>
#include <vector>

#include "gpu/engine.h"
#include "graph/registry.h"

namespace pnflow {

// The engines that `settings` ask for, found in the registry by settings.name: on the CPU, or with
// settings.devices on GPUs; `all_devices` is all that there are. Modules that are needed for them
// are loaded into the registry. Throws RunError: a module that is not there, no such engine, what
// the engine's factory throws.
std::vector<std::unique_ptr<InferenceEngine>> make_engines(Registry& registry,
                                                           EngineSettings settings,
                                                           bool all_devices);

}  // namespace pnflow
