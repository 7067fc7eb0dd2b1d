#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gpu/cuda/buffer_set.h"
#include "gpu/cuda/cuda_handles.h"
#include "gpu/cuda/figures_keeper.h"
#include "gpu/cuda/mask_cache.h"
#include "gpu/cuda/placement.h"
#include "gpu/cuda/span_clock.h"
#include "gpu/cuda/stage.h"
#include "gpu/engine.h"

namespace pnflow {

// One stage on one GPU, N-way buffered: while one micro-batch is computed, the next ones go up and
// the last one comes down, each on a stream of its own; events tie them, and nothing waits for the
// whole device.
//
//     feeder        up(n+1)      up(n+2)
//     compute           n            n+1          one after the other, without a gap
//     down                  n-1          n
//     completion            waits for the end of down(n-1), answers, frees its buffers
class Pipeline : public InferenceEngine {
 public:
  // Throws CudaError.
  Pipeline(int device, const EngineSettings& settings, std::unique_ptr<DeviceStage> stage,
           DevicePlacement placement);
  ~Pipeline() override;

  int buffers() const override { return static_cast<int>(sets_.size()); }
  std::shared_ptr<MemoryPool> pool() override { return pinned_pool(); }
  bool lost() const override { return lost_; }
  void launch(const MicroBatch& batch, Done done) override;
  std::optional<PipelineFigures> figures() const override;

  // Brings the calling thread near the device; runs empty micro-batches, as WarmUp says, and has
  // the stage capture its work.
  void warm_up() override;

 private:
  bool capture(const MapGeometry& geometry);
  void start(BufferSet& set, const MicroBatch& batch);
  void complete();
  void answer(BufferSet& set, const std::exception_ptr& error);
  void wait_for(BufferSet& set);
  void trace(const FiguresKeeper::Done& done) const;
  // The exception being handled, with the device's name; notes when nothing works any more.
  std::exception_ptr error_of_device();

  const int device_;
  const std::string name_;
  const std::string tracks_;  // of a trace, without the stage's name
  Trace* const trace_;
  const EngineSettings settings_;
  const DevicePlacement placement_;
  Stream up_, compute_, down_;
  SpanClock clock_;
  MaskCache masks_;
  std::unique_ptr<DeviceStage> stage_;
  std::vector<std::unique_ptr<BufferSet>> sets_;
  FiguresKeeper figures_;
  std::uint64_t launched_so_far_ = 0;   // of the thread that launches
  std::uint64_t completed_so_far_ = 0;  // of the completion thread
  std::atomic<bool> lost_ = false;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<BufferSet*> free_;
  std::deque<BufferSet*> launched_;
  bool closing_ = false;

  std::thread completion_;
};

}  // namespace pnflow
