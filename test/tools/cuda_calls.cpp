// A library for LD_PRELOAD that counts the CUDA runtime's calls that a steady state must not make,
// in the whole process, LibTorch's included, and says at the end how many there were after
// $PNFLOW_CUDA_CALLS_AFTER seconds. Copies between the device and pageable memory count too.

#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace {

enum Call { device_allocation, pinned_allocation, pool_allocation, synchronisation, pageable_copy };
constexpr std::array names{"cudaMalloc", "cudaHostAlloc", "cudaMallocAsync",
                           "cudaDeviceSynchronize", "pageable copies"};

class Counts {
 public:
  Counts() {
    if (const char* seconds = std::getenv("PNFLOW_CUDA_CALLS_AFTER")) after_ = std::atof(seconds);
  }
  ~Counts() {
    for (std::size_t i = 0; i < names.size(); ++i) {
      std::fprintf(stderr, "%s: %lu, after %.0f s: %lu\n", names[i], all_[i].load(), after_,
                   late_[i].load());
    }
  }
  void add(Call call) {
    const std::chrono::duration<double> age = std::chrono::steady_clock::now() - begin_;
    ++all_[call];
    if (age.count() > after_) ++late_[call];
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  double after_ = 0;
  std::array<std::atomic<unsigned long>, names.size()> all_{}, late_{};
};

Counts& counts() {
  static Counts counts;
  return counts;
}

// The seconds count from the start of the process, not from the first of these calls.
[[maybe_unused]] const Counts& from_the_start = counts();

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

bool is_pageable(const void* host) {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, host) != cudaSuccess) return true;
  return attributes.type == cudaMemoryTypeUnregistered;
}

void note_copy(void* to, const void* from, cudaMemcpyKind kind) {
  const bool pageable = (kind == cudaMemcpyHostToDevice && is_pageable(from)) ||
                        (kind == cudaMemcpyDeviceToHost && is_pageable(to));
  if (pageable) counts().add(pageable_copy);
}

}  // namespace

#define PNFLOW_REAL(name) static const auto call = real<decltype(&name)>(#name)

extern "C" {

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  static const auto call = real<cudaError_t (*)(void**, size_t)>("cudaMalloc");
  counts().add(device_allocation);
  return call(memory, bytes);
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned flags) {
  static const auto call = real<cudaError_t (*)(void**, size_t, unsigned)>("cudaHostAlloc");
  counts().add(pinned_allocation);
  return call(memory, bytes, flags);
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  static const auto call = real<cudaError_t (*)(void**, size_t)>("cudaMallocHost");
  counts().add(pinned_allocation);
  return call(memory, bytes);
}

cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t stream) {
  static const auto call = real<cudaError_t (*)(void**, size_t, cudaStream_t)>("cudaMallocAsync");
  counts().add(pool_allocation);
  return call(memory, bytes, stream);
}

cudaError_t cudaDeviceSynchronize() {
  PNFLOW_REAL(cudaDeviceSynchronize);
  counts().add(synchronisation);
  return call();
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  PNFLOW_REAL(cudaMemcpyAsync);
  note_copy(to, from, kind);
  return call(to, from, bytes, kind, stream);
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  PNFLOW_REAL(cudaMemcpy2DAsync);
  note_copy(to, from, kind);
  return call(to, to_pitch, from, from_pitch, width, height, kind, stream);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  PNFLOW_REAL(cudaMemcpy);
  note_copy(to, from, kind);
  return call(to, from, bytes, kind);
}
}
