#pragma once

#include <cuda_runtime_api.h>

#include <utility>

#include "gpu/cuda/cuda_check.h"

namespace pnflow {

// A stream of the device that is current when it is made; it waits for no other. Throws CudaError.
class Stream {
 public:
  Stream() {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// An event, with a time stamp, of the device that is current when it is made. Who waits for it
// sleeps and does not spin. Throws CudaError.
class Event {
 public:
  Event() { check(cudaEventCreateWithFlags(&event_, cudaEventBlockingSync), "cudaEventCreate"); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { cudaEventDestroy(event_); }
  operator cudaEvent_t() const { return event_; }
  void swap(Event& other) noexcept { std::swap(event_, other.event_); }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace pnflow
