#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <vector>

#include "gpu/peaknet/memory_plan.h"

namespace pnflow {

// Work on a device whose steps and intermediate results are known before any of it runs: results
// that are needed at different times share memory, and nothing is allocated while it runs. Used by
// one thread at a time.
class DeviceProgram {
 public:
  // An intermediate result of this program.
  struct Result {
    std::size_t index = 0;
  };

  Result result(std::size_t bytes);

  // Appends a step. `uses` are all results that it reads or writes; one that it reads a step before
  // has written. `run` enqueues it. `prepare` is what it does once, before the program first runs:
  // it may write to what the step writes to.
  using Work = std::function<void(cudaStream_t stream)>;
  void step(std::initializer_list<Result> uses, Work run, Work prepare = nullptr);
  // What is read, or written to, when the program has run.
  void keep(Result result);

  // No more steps: where results lie.
  MemoryPlan plan() const;
  // `memory` has room for the plan. Steps see it from now on.
  void place(const MemoryPlan& plan, std::byte* memory);

  void prepare(cudaStream_t stream) const;
  // Enqueues all steps.
  void run(cudaStream_t stream) const;

  std::byte* operator[](Result result) const { return places_[result.index]; }

 private:
  struct Step {
    Work run, prepare;
  };

  std::vector<Lifetime> lives_;
  std::vector<Step> steps_;
  std::vector<Result> kept_;
  std::vector<std::byte*> places_;
};

}  // namespace pnflow
