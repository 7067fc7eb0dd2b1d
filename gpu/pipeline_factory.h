#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "gpu/device_description.h"
#include "gpu/device_model.h"
#include "gpu/engine.h"

namespace pnflow {

// Makes engines that run on GPUs. Offered in a Registry as `pipeline_interface` under the name
// "cuda", by libpnflow_cuda.so.
class PipelineFactory {
 public:
  virtual ~PipelineFactory();
  // One pipeline for each entry of settings.devices. `models` is where the network comes from;
  // nullptr: settings.name is "threshold" or "none", which the pipeline knows itself. Throws
  // RunError: no such device, too little memory, what DeviceModelFactory::make() throws.
  virtual std::vector<std::unique_ptr<InferenceEngine>> make(
      const EngineSettings& settings, const DeviceModelFactory* models) const = 0;
  // GPUs that this process can see. Throws RunError: no driver.
  virtual int devices() const = 0;
  // The same at length; no GPU and no driver are answers too. What is free is asked with CUDA's own
  // memory on that device taken. Throws nothing.
  virtual DeviceSurvey survey() const = 0;
  // Takes a second or so, 512 MiB of the device and 768 MiB of the host. Throws RunError.
  virtual CopySpeeds measure_copies(int device) const = 0;
};

inline constexpr std::string_view pipeline_interface = "pnflow.pipeline/2";

// Engines that are in every pipeline, without a DeviceModel.
inline constexpr std::array<std::string_view, 2> pipeline_engines{"none", "threshold"};

}  // namespace pnflow
