#include "gpu/cuda/cuda_pipelines.h"

#include <fmt/format.h>

#include <utility>

#include "gpu/cuda/copy_speed.h"
#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/cuda_memory.h"
#include "gpu/cuda/device_info.h"
#include "gpu/cuda/pipeline.h"
#include "gpu/cuda/placement.h"
#include "gpu/cuda/stage.h"
#include "graph/error.h"

namespace pnflow {

namespace {

void check_device(int device, const VisibleDevices& seen) {
  if (device >= seen.count) {
    throw RunError(fmt::format(
        "there is no GPU {}: {}", device,
        seen.count == 0 ? why_none(seen) : fmt::format("this process sees {}", seen.count)));
  }
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  if (const std::string why = why_not(properties); !why.empty()) {
    throw RunError(fmt::format("GPU {} ({}) {}", device, properties.name, why));
  }
}

std::unique_ptr<DeviceStage> stage_of(const EngineSettings& settings,
                                      std::unique_ptr<DeviceModel> model) {
  if (model) return make_network_stage(settings, std::move(model));
  if (settings.name == "threshold") return make_threshold_stage(settings);
  return make_none_stage(settings);
}

Placement placement_near(const std::vector<int>& devices) {
  std::vector<int> nodes;
  nodes.reserve(devices.size());
  for (const int device : devices) nodes.push_back(numa_node_of(device));
  return decide_placement(numa_machine(), nodes);
}

// The pool's memory is placed here; the pipelines place what is theirs.
Placement place(const EngineSettings& settings) {
  Placement placement = placement_near(settings.devices);
  add_pinned_pool_nodes(placement.memory);
  const std::string text = placement_text(placement, settings.devices);
  if (!text.empty()) settings.log(text);
  return placement;
}

}  // namespace

int CudaPipelines::devices() const {
  const VisibleDevices seen = visible_devices();
  if (seen.code != cudaSuccess && seen.code != cudaErrorNoDevice) {
    throw RunError(fmt::format("no GPU can be used: {}", why_none(seen)));
  }
  return seen.count;
}

DeviceSurvey CudaPipelines::survey() const { return survey_devices(); }

CopySpeeds CudaPipelines::measure_copies(int device) const {
  try {
    const MemoryFrom near(placement_near({device}).memory);
    return measure_copy_speeds(device);
  } catch (const CudaError& error) {
    throw RunError(fmt::format("GPU {}: {}", device, error.what()));
  }
}

std::vector<std::unique_ptr<InferenceEngine>> CudaPipelines::make(
    const EngineSettings& settings, const DeviceModelFactory* models) const {
  const VisibleDevices seen = visible_devices();
  try {
    for (const int device : settings.devices) check_device(device, seen);
    std::vector<std::unique_ptr<DeviceModel>> networks(settings.devices.size());
    if (models) networks = models->make(settings);
    Placement placement = place(settings);
    std::vector<std::unique_ptr<InferenceEngine>> engines;
    for (std::size_t i = 0; i < settings.devices.size(); ++i) {
      engines.push_back(std::make_unique<Pipeline>(settings.devices[i], settings,
                                                   stage_of(settings, std::move(networks[i])),
                                                   std::move(placement.devices[i])));
    }
    return engines;
  } catch (const CudaError& error) {
    throw RunError(error.what());
  }
}

}  // namespace pnflow
