#pragma once

#include <cuda_runtime_api.h>

#include <stdexcept>
#include <string>

namespace pnflow {

// A call of the CUDA runtime that failed. The text names the call and says what CUDA says.
class CudaError : public std::runtime_error {
 public:
  CudaError(cudaError_t code, const std::string& text) : std::runtime_error(text), code_(code) {}
  cudaError_t code() const { return code_; }

 private:
  cudaError_t code_;
};

// Throws CudaError unless `code` is success. `call` is what was asked for, for the message.
void check(cudaError_t code, const char* call);

// An attribute of the current device. Throws CudaError.
int attribute_of_device(cudaDeviceAttr attribute);

// Makes a device current on this thread, and the previous one again at the end.
class DeviceScope {
 public:
  explicit DeviceScope(int device);
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;
  ~DeviceScope() { cudaSetDevice(previous_); }

 private:
  int previous_ = 0;
};

}  // namespace pnflow
