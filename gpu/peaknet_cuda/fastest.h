#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/cuda_handles.h"

namespace pnflow {

// The one of `count` ways to do something that takes the least time on the device, and the
// milliseconds that it takes. `try_way(i)` enqueues on `stream` and returns whether it could;
// nothing: none of them can. Waits for the stream. Throws CudaError.
struct Fastest {
  std::size_t way = 0;
  float milliseconds = std::numeric_limits<float>::max();
};

inline std::optional<Fastest> fastest_of(std::size_t count, cudaStream_t stream,
                                         const std::function<bool(std::size_t)>& try_way) {
  constexpr int rounds = 3;
  constexpr int calls = 4;
  const Event begin;
  const Event end;
  std::optional<Fastest> best;
  for (std::size_t way = 0; way < count; ++way) {
    if (!try_way(way)) continue;  // the first call loads kernels
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
    for (int round = 0; round < rounds; ++round) {
      check(cudaEventRecord(begin, stream), "cudaEventRecord");
      for (int call = 0; call < calls; ++call) try_way(way);
      check(cudaEventRecord(end, stream), "cudaEventRecord");
      check(cudaEventSynchronize(end), "cudaEventSynchronize");
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
      milliseconds /= calls;
      if (!best || milliseconds < best->milliseconds) best = Fastest{way, milliseconds};
    }
  }
  return best;
}

}  // namespace pnflow
