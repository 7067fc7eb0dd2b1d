#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpu/device_description.h"

namespace pnflow {

// A module of pnflow's own.
struct ModuleState {
  std::string file;   // empty: it was not found
  std::string error;  // why it is not there or cannot be loaded; empty: nothing is wrong
  bool loaded = false;
};

// What pnflow finds of GPUs here, and what it could run on them.
struct GpuOverview {
  ModuleState cuda, torch;
  DeviceSurvey survey;                            // where the CUDA module is loaded
  std::vector<std::optional<CopySpeeds>> copies;  // of each device; nothing: not measured
  std::vector<std::string> faults;                // of measurements that failed
  std::vector<std::string> cpu_engines, gpu_engines;
};

// Loads the CUDA module where it is there, and LibTorch, which takes a second, only if asked to:
// without, its engines are not among the engines. Throws nothing for what is not there.
GpuOverview look_at_gpus(bool measure, bool load_torch);

}  // namespace pnflow
