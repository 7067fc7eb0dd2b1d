#include "gpu/cuda/copy_speed.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/cuda_handles.h"
#include "gpu/cuda/cuda_memory.h"

namespace pnflow {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t block = std::size_t{256} << 20U;
constexpr std::size_t repetitions = 7;

// In bytes a second, by the host's clock: what surrounds a block's copy is some 10 us of at least
// 2 ms. `copy` returns when `bytes` are where they belong.
template <class Copy>
double median_speed(std::size_t bytes, Copy copy) {
  copy();  // the first one maps memory and wakes the link
  std::array<double, repetitions> seconds{};
  for (double& took : seconds) {
    const auto begin = Clock::now();
    copy();
    took = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  std::ranges::nth_element(seconds, seconds.begin() + repetitions / 2);
  return static_cast<double>(bytes) / seconds[repetitions / 2];
}

// A block on the device and a stream for copies to it or from it.
class Lane {
 public:
  Lane() { device_.reserve(block); }
  void begin_up(const std::byte* host) {
    check(cudaMemcpyAsync(device_.data(), host, block, cudaMemcpyHostToDevice, stream_),
          "cudaMemcpyAsync to the device");
  }
  void begin_down(std::byte* host) {
    check(cudaMemcpyAsync(host, device_.data(), block, cudaMemcpyDeviceToHost, stream_),
          "cudaMemcpyAsync from the device");
  }
  void wait() { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

 private:
  CudaBuffer device_{MemoryKind::device};
  Stream stream_;
};

double up_speed(Lane& lane, const std::byte* host) {
  return median_speed(block, [&] {
    lane.begin_up(host);
    lane.wait();
  });
}

double down_speed(Lane& lane, std::byte* host) {
  return median_speed(block, [&] {
    lane.begin_down(host);
    lane.wait();
  });
}

}  // namespace

CopySpeeds measure_copy_speeds(int device) {
  const DeviceScope scope(device);
  // The host's memory goes last, should an error leave a copy under way.
  std::vector<std::byte> ordinary(block);
  CudaBuffer source(MemoryKind::pinned);
  CudaBuffer sink(MemoryKind::pinned);
  source.reserve(block);
  sink.reserve(block);
  Lane up;
  Lane down;
  CopySpeeds speeds;
  speeds.pinned_up = up_speed(up, source.data());
  speeds.pinned_down = down_speed(down, sink.data());
  speeds.pinned_both = median_speed(2 * block, [&] {
    up.begin_up(source.data());
    down.begin_down(sink.data());
    up.wait();
    down.wait();
  });
  speeds.ordinary_up = up_speed(up, ordinary.data());
  speeds.ordinary_down = down_speed(down, ordinary.data());
  return speeds;
}

}  // namespace pnflow
