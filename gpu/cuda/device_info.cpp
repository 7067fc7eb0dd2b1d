#include "gpu/cuda/device_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <fstream>

#include "gpu/cuda/cuda_check.h"

namespace pnflow {

namespace {

constexpr int least_capability = 8;  // what the module has machine code for, and what is newer

// 0: there is none.
int driver_version() {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess ? version : 0;
}

int runtime_version() {
  int version = 0;
  return cudaRuntimeGetVersion(&version) == cudaSuccess ? version : 0;
}

// As the kernel's module shows it; containers may hide that.
std::string driver_release() {
  std::string release;
  std::ifstream("/sys/module/nvidia/version") >> release;
  return release;
}

// In small letters, as the file system of devices has it.
std::string pci_bus_id(int device) {
  std::array<char, 32> text{};
  check(cudaDeviceGetPCIBusId(text.data(), static_cast<int>(text.size()), device),
        "cudaDeviceGetPCIBusId");
  std::string id(text.data());
  std::ranges::transform(id, id.begin(), [](unsigned char c) { return std::tolower(c); });
  return id;
}

int numa_node(const std::string& pci_bus_id) {
  int node = -1;
  std::ifstream file(fmt::format("/sys/bus/pci/devices/{}/numa_node", pci_bus_id));
  return file >> node ? node : -1;
}

DeviceDescription describe(int device) {
  DeviceDescription description;
  description.index = device;
  try {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    description.name = properties.name;
    description.major = properties.major;
    description.minor = properties.minor;
    description.multiprocessors = properties.multiProcessorCount;
    description.memory_bytes = properties.totalGlobalMem;
    description.pci_bus_id = pci_bus_id(device);
    description.numa_node = numa_node(description.pci_bus_id);
    description.why_not = why_not(properties);
    const DeviceScope scope(device);
    std::size_t total = 0;
    check(cudaMemGetInfo(&description.free_bytes, &total), "cudaMemGetInfo");
  } catch (const CudaError& error) {
    description.why_not = error.what();
  }
  return description;
}

}  // namespace

int numa_node_of(int device) { return numa_node(pci_bus_id(device)); }

VisibleDevices visible_devices() {
  VisibleDevices seen;
  seen.code = cudaGetDeviceCount(&seen.count);
  if (seen.code != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // or the next check would report it
    seen.count = 0;
  }
  return seen;
}

std::string why_none(const VisibleDevices& seen) {
  if (seen.code == cudaErrorNoDevice || seen.code == cudaSuccess) {
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    return visible == nullptr
               ? "this process sees none"
               : fmt::format("this process sees none; CUDA_VISIBLE_DEVICES is '{}'", visible);
  }
  const int driver = driver_version();
  if (driver == 0) return "there is no NVIDIA driver here (libcuda.so.1)";
  if (seen.code == cudaErrorInsufficientDriver) {
    return fmt::format("the NVIDIA driver is too old: it serves CUDA {}, pnflow uses {}",
                       cuda_version(driver), cuda_version(runtime_version()));
  }
  return fmt::format("CUDA says: {} ({})", cudaGetErrorString(seen.code),
                     cudaGetErrorName(seen.code));
}

std::string why_not(const cudaDeviceProp& properties) {
  if (properties.major >= least_capability) return {};
  return fmt::format("has compute capability {}.{}; needed is {}.0 or newer", properties.major,
                     properties.minor, least_capability);
}

DeviceSurvey survey_devices() {
  DeviceSurvey survey;
  survey.driver = driver_release();
  survey.driver_cuda = driver_version();
  survey.runtime_cuda = runtime_version();
  const VisibleDevices seen = visible_devices();
  if (seen.count == 0) survey.why_none = why_none(seen);
  for (int device = 0; device < seen.count; ++device) survey.devices.push_back(describe(device));
  return survey;
}

}  // namespace pnflow
