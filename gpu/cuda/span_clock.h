#pragma once

#include <chrono>
#include <cstdint>

#include "gpu/cuda/cuda_handles.h"

namespace pnflow {

// Puts the time stamps of a device's events on the host's clock, to some 10 us. For one thread.
class SpanClock {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Of the current device. Throws CudaError.
  explicit SpanClock(cudaStream_t stream);

  // When an event that has happened did so. Throws CudaError.
  Time time_of(const Event& event) const;

  // An event's time is stored as float milliseconds since the base, which loses microseconds after
  // some seconds. Makes `event`, which has happened, the new base when the old one has become old,
  // and gives the old one back in its place.
  void renew_base(Event& event);

 private:
  Event base_;
  Time base_time_;
};

}  // namespace pnflow
