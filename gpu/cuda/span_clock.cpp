#include "gpu/cuda/span_clock.h"

namespace pnflow {

namespace {

std::chrono::nanoseconds elapsed(const Event& from, const Event& to) {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, from, to), "cudaEventElapsedTime");
  return std::chrono::nanoseconds(static_cast<std::int64_t>(double{milliseconds} * 1e6));
}

}  // namespace

SpanClock::SpanClock(cudaStream_t stream) {
  check(cudaEventRecord(base_, stream), "cudaEventRecord");
  check(cudaEventSynchronize(base_), "cudaEventSynchronize");
  base_time_ = std::chrono::steady_clock::now();
}

SpanClock::Time SpanClock::time_of(const Event& event) const {
  return base_time_ + elapsed(base_, event);
}

void SpanClock::renew_base(Event& event) {
  const Time time = time_of(event);
  if (time - base_time_ < std::chrono::seconds(4)) return;
  base_time_ = time;
  base_.swap(event);
}

}  // namespace pnflow
