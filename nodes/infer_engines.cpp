#include "nodes/infer_engines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <numeric>
#include <string>
#include <string_view>

#include "gpu/builtin_engines.h"
#include "gpu/device_model.h"
#include "gpu/pipeline_factory.h"
#include "graph/error.h"

namespace pnflow {

namespace {

constexpr std::string_view how_to_get_torch =
    "engines 'torchscript', 'aoti' and 'peaknet' are a module of their own; "
    "scripts/build.sh default builds it";
constexpr std::string_view how_to_get_peaknet =
    "engine 'peaknet' on GPUs is a module of its own; scripts/build.sh default builds it where "
    "there are nvcc and cuDNN";
constexpr std::string_view how_to_get_cuda =
    "what runs on GPUs is a module of its own; scripts/build.sh default builds it where there is "
    "nvcc; 'devices: cpu' runs without";

// The module that an engine comes from; empty: none.
std::string_view module_of(const std::string& engine, bool on_gpu) {
  if (engine == "peaknet" && on_gpu) return "peaknet";
  return engine == "torchscript" || engine == "aoti" || engine == "peaknet" ? "torch" : "";
}

// What is offered under a name, if need be by a module that is loaded for it.
template <class Offer>
std::shared_ptr<Offer> find(Registry& registry, std::string_view interface, const std::string& name,
                            std::string_view module, std::string_view how_to_get_it) {
  auto offer = registry.find_offer(interface, name);
  if (!offer && !module.empty()) {
    load_module(registry, module, how_to_get_it);
    offer = registry.find_offer(interface, name);
  }
  if (!offer) {
    throw RunError(fmt::format("there is no engine '{}' here; there are: {}", name,
                               fmt::join(registry.offers(interface), ", ")));
  }
  return std::static_pointer_cast<Offer>(offer);
}

std::vector<std::unique_ptr<InferenceEngine>> make_pipelines(Registry& registry,
                                                             EngineSettings settings,
                                                             bool all_devices) {
  const auto pipelines =
      find<PipelineFactory>(registry, pipeline_interface, "cuda", "cuda", how_to_get_cuda);
  if (all_devices) {
    settings.devices.resize(static_cast<std::size_t>(pipelines->devices()));
    std::iota(settings.devices.begin(), settings.devices.end(), 0);
    if (settings.devices.empty()) throw RunError("'devices: auto' finds no GPU");
  }
  std::shared_ptr<DeviceModelFactory> models;
  if (!settings.weights.empty()) {
    const std::string_view module = module_of(settings.name, true);
    models = find<DeviceModelFactory>(registry, device_model_interface, settings.name, module,
                                      module == "peaknet" ? how_to_get_peaknet : how_to_get_torch);
  }
  return pipelines->make(settings, models.get());
}

}  // namespace

std::vector<std::unique_ptr<InferenceEngine>> make_engines(Registry& registry,
                                                           EngineSettings settings,
                                                           bool all_devices) {
  if (all_devices || !settings.devices.empty()) {
    return make_pipelines(registry, std::move(settings), all_devices);
  }
  // Those of pnflow itself are offered once, and only where nobody has offered others.
  if (!registry.find_offer(engine_interface, settings.name) &&
      !registry.find_offer(engine_interface, "none")) {
    register_builtin_engines(registry);
  }
  return find<EngineFactory>(registry, engine_interface, settings.name,
                             module_of(settings.name, false), how_to_get_torch)
      ->make(settings);
}

}  // namespace pnflow
