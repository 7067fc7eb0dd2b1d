#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace pnflow {

// One GPU.
struct DeviceDescription {
  int index = 0;  // as `devices` of a graph names it
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  std::size_t memory_bytes = 0, free_bytes = 0;
  std::string pci_bus_id;  // "0000:3b:00.0"
  int numa_node = -1;      // that it is attached to; -1: unknown
  std::string why_not;     // pnflow cannot use it; empty: it can
};

// The GPUs that this process sees, and what drives them.
struct DeviceSurvey {
  std::string driver;    // its release, "580.65.06"; empty: unknown
  int driver_cuda = 0;   // newest CUDA that it serves, 13000 being 13.0; 0: there is no driver
  int runtime_cuda = 0;  // the CUDA that pnflow uses
  std::string why_none;  // there is no GPU; empty: there are some
  std::vector<DeviceDescription> devices;
};

// "13.0" of 13000, as CUDA numbers its versions.
std::string cuda_version(int version);

// Copies between a GPU and the host's memory, in bytes a second.
struct CopySpeeds {
  // Pinned memory: each direction alone, and the sum of both at the same time.
  double pinned_up = 0, pinned_down = 0, pinned_both = 0;
  // Ordinary memory, which the driver copies through pinned memory of its own.
  double ordinary_up = 0, ordinary_down = 0;
};

}  // namespace pnflow
