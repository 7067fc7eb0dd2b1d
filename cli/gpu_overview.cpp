#include "cli/gpu_overview.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <string_view>

#include "gpu/builtin_engines.h"
#include "gpu/device_model.h"
#include "gpu/engine.h"
#include "gpu/pipeline_factory.h"
#include "graph/error.h"
#include "graph/registry.h"

namespace pnflow {

namespace {

constexpr std::string_view how_to_get_cuda =
    "scripts/build.sh default builds it where there is nvcc";
constexpr std::string_view how_to_get_torch = "scripts/build.sh default builds it";

ModuleState module_state(Registry& registry, std::string_view name, std::string_view how_to_get_it,
                         bool load) {
  ModuleState state;
  try {
    state.file = find_module(name, how_to_get_it);
    if (load) load_module(registry, name, how_to_get_it);
    state.loaded = load;
  } catch (const RunError& error) {
    state.error = error.what();
  }
  return state;
}

void measure_copies(const PipelineFactory& pipelines, GpuOverview& overview) {
  for (std::size_t i = 0; i < overview.survey.devices.size(); ++i) {
    const DeviceDescription& device = overview.survey.devices[i];
    if (!device.why_not.empty()) continue;
    try {
      overview.copies[i] = pipelines.measure_copies(device.index);
    } catch (const std::exception& error) {
      overview.faults.emplace_back(error.what());
    }
  }
}

}  // namespace

GpuOverview look_at_gpus(bool measure, bool load_torch) {
  Registry registry;
  register_builtin_engines(registry);
  GpuOverview overview;
  overview.cuda = module_state(registry, "cuda", how_to_get_cuda, true);
  overview.torch = module_state(registry, "torch", how_to_get_torch, load_torch);
  overview.cpu_engines = registry.offers(engine_interface);
  const auto offer = registry.find_offer(pipeline_interface, "cuda");
  if (!offer) return overview;
  const auto pipelines = std::static_pointer_cast<PipelineFactory>(offer);
  overview.gpu_engines = registry.offers(device_model_interface);
  for (const std::string_view engine : pipeline_engines) overview.gpu_engines.emplace_back(engine);
  std::ranges::sort(overview.gpu_engines);
  overview.survey = pipelines->survey();
  overview.copies.resize(overview.survey.devices.size());
  if (measure) measure_copies(*pipelines, overview);
  return overview;
}

}  // namespace pnflow
