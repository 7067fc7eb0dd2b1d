#include "gpu/peaknet_cuda/device_program.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

namespace pnflow {

namespace {

constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

}  // namespace

DeviceProgram::Result DeviceProgram::result(std::size_t bytes) {
  lives_.push_back({bytes, never, 0});
  return {lives_.size() - 1};
}

void DeviceProgram::step(std::initializer_list<Result> uses, Work run, Work prepare) {
  for (const Result used : uses) {
    Lifetime& life = lives_[used.index];
    if (life.first == never) life.first = steps_.size();
    life.last = steps_.size();
  }
  steps_.push_back({std::move(run), std::move(prepare)});
}

void DeviceProgram::keep(Result result) { kept_.push_back(result); }

MemoryPlan DeviceProgram::plan() const {
  std::vector<Lifetime> lives = lives_;
  for (const Result kept : kept_) {
    Lifetime& life = lives[kept.index];
    life = {life.bytes, std::min(life.first, steps_.size()), steps_.size()};
  }
  for (const Lifetime& life : lives) {
    if (life.first == never) throw std::logic_error("a result that no step uses");
  }
  return plan_memory(lives);
}

void DeviceProgram::place(const MemoryPlan& plan, std::byte* memory) {
  places_.clear();
  for (const std::size_t offset : plan.offsets) places_.push_back(memory + offset);
}

void DeviceProgram::prepare(cudaStream_t stream) const {
  for (const Step& step : steps_) {
    if (step.prepare) step.prepare(stream);
  }
}

void DeviceProgram::run(cudaStream_t stream) const {
  for (const Step& step : steps_) step.run(stream);
}

}  // namespace pnflow
