#include "gpu/cuda/pipeline.h"

#include <fmt/format.h>
#include <nvtx3/nvtx3.hpp>

#include <chrono>
#include <utility>

#include "gpu/cuda/warm_up.h"
#include "graph/error.h"
#include "graph/trace.h"

namespace pnflow {

namespace {

std::string name_of_device(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return fmt::format("{} ({})", device, properties.name);
}

// So that all members are made with the device current.
int made_current(int device) {
  check(cudaSetDevice(device), "cudaSetDevice");
  return device;
}

}  // namespace

Pipeline::Pipeline(int device, const EngineSettings& settings, std::unique_ptr<DeviceStage> stage,
                   DevicePlacement placement)
    : device_(made_current(device)),
      name_(name_of_device(device)),
      tracks_(fmt::format("{} device {} / ", settings.node, device)),
      trace_(settings.trace),
      settings_(settings),
      placement_(std::move(placement)),
      clock_(up_),
      masks_(settings.batch_size, static_cast<std::size_t>(settings.buffers)),
      stage_(std::move(stage)) {
  for (int i = 0; i < settings.buffers; ++i) {
    sets_.push_back(std::make_unique<BufferSet>(settings.output, settings.logits));
    free_.push_back(sets_.back().get());
  }
  completion_ = std::thread([this] { complete(); });
}

Pipeline::~Pipeline() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  completion_.join();
  cudaSetDevice(device_);  // whose memory, streams and events go now
}

void Pipeline::launch(const MicroBatch& batch, Done done) {
  BufferSet* set = nullptr;
  {
    const std::lock_guard lock(mutex_);
    set = free_.front();  // whoever launches keeps to buffers()
    free_.pop_front();
  }
  set->begin(batch, std::move(done));
  std::exception_ptr error;
  try {
    start(*set, batch);
  } catch (...) {
    error = error_of_device();
    // What has been enqueued may still read the images.
    for (const Stream* stream : {&up_, &compute_, &down_}) cudaStreamSynchronize(*stream);
  }
  if (error) return answer(*set, error);
  {
    const std::lock_guard lock(mutex_);
    launched_.push_back(set);
  }
  changed_.notify_all();
}

void Pipeline::start(BufferSet& set, const MicroBatch& batch) {
  const DeviceScope current(device_);
  const MemoryFrom near(placement_.memory);  // for buffers that have to grow
  const std::uint64_t number = launched_so_far_++;
  {
    const nvtx3::scoped_range range{"up", nvtx3::payload{number}};
    check(cudaEventRecord(set.up.begin, up_), "cudaEventRecord");
    set.upload(masks_, up_);
    check(cudaEventRecord(set.up.end, up_), "cudaEventRecord");
  }
  {
    const nvtx3::scoped_range range{"compute", nvtx3::payload{number}};
    check(cudaStreamWaitEvent(compute_, set.up.end), "cudaStreamWaitEvent");
    check(cudaEventRecord(set.compute.begin, compute_), "cudaEventRecord");
    stage_->enqueue(set.raw(), batch.normalize, set.results(), compute_);
    check(cudaEventRecord(set.compute.end, compute_), "cudaEventRecord");
  }
  const nvtx3::scoped_range range{"down", nvtx3::payload{number}};
  check(cudaStreamWaitEvent(down_, set.compute.end), "cudaStreamWaitEvent");
  check(cudaEventRecord(set.down.begin, down_), "cudaEventRecord");
  set.download(down_);
  check(cudaEventRecord(set.down.end, down_), "cudaEventRecord");
}

void Pipeline::complete() {
  run_on(placement_.cpus);
  cudaSetDevice(device_);
  for (;;) {
    BufferSet* set = nullptr;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return closing_ || !launched_.empty(); });
      if (launched_.empty()) return;
      set = launched_.front();
      launched_.pop_front();
    }
    std::exception_ptr error;
    try {
      wait_for(*set);
    } catch (...) {
      error = error_of_device();
    }
    answer(*set, error);
  }
}

void Pipeline::wait_for(BufferSet& set) {
  check(cudaEventSynchronize(set.down.end), "cudaEventSynchronize");
  set.store_results();
  const auto span = [this](const SpanEvents& events) {
    return FiguresKeeper::Span{clock_.time_of(events.begin), clock_.time_of(events.end)};
  };
  const std::size_t images = set.batch().images.size();
  const DeviceModelCounts model = stage_->counts();
  const FiguresKeeper::Done done{.up = span(set.up),
                                 .compute = span(set.compute),
                                 .down = span(set.down),
                                 .images = images,
                                 .full = images == settings_.batch_size,
                                 .staged_images = set.staged_images(),
                                 .bytes_up = set.bytes_up(),
                                 .bytes_down = set.bytes_down(),
                                 .allocations = memory_counts().allocations + model.allocations,
                                 .graph_launches = model.graph_launches};
  figures_.add(done);
  trace(done);
  ++completed_so_far_;
  clock_.renew_base(set.up.begin);
}

void Pipeline::trace(const FiguresKeeper::Done& done) const {
  if (!trace_) return;
  const auto span = [&](const char* stage, const FiguresKeeper::Span& of) {
    trace_->span(tracks_ + stage, stage, of.begin, of.end, completed_so_far_);
  };
  span("up", done.up);
  span("compute", done.compute);
  span("down", done.down);
}

void Pipeline::answer(BufferSet& set, const std::exception_ptr& error) {
  const Done done = set.finish();
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(&set);
  }
  done(error);
}

std::exception_ptr Pipeline::error_of_device() {
  std::string reason = "inference";
  std::string text;
  try {
    throw;
  } catch (const CudaError& error) {
    reason = error.code() == cudaErrorMemoryAllocation ? "out of device memory" : "device error";
    text = error.what();
  } catch (const DataError& error) {
    reason = error.reason();
    text = error.detail();
  } catch (const std::exception& error) {
    text = error.what();
  }
  // An error of a kernel stays with the device: every later call fails with it.
  const cudaError_t state = cudaStreamQuery(compute_);
  if (state != cudaSuccess && state != cudaErrorNotReady) {
    lost_ = true;
    reason = "device error";
  }
  return std::make_exception_ptr(DataError(reason, fmt::format("device {}: {}", name_, text)));
}

bool Pipeline::capture(const MapGeometry& geometry) {
  const DeviceScope current(device_);
  return stage_->capture(geometry, compute_);
}

std::optional<PipelineFigures> Pipeline::figures() const {
  PipelineFigures figures = figures_.figures();
  const MemoryCounts& counts = memory_counts();
  figures.device = name_;
  figures.device_bytes = counts.device_bytes + stage_->counts().peak_bytes;
  figures.pinned_bytes = counts.pinned_bytes;
  return figures;
}

void Pipeline::warm_up() {
  run_on(placement_.cpus);
  const auto log = [this](const std::string& what) {
    settings_.log(fmt::format("device {}: {}", device_, what));
  };
  if (!settings_.pad) {
    return log(
        "no warm-up, as the images' size is not known without 'crop' or 'pad': the first "
        "micro-batches will be slow");
  }
  const auto begin = std::chrono::steady_clock::now();
  WarmUp empty(*this, settings_);
  const std::vector<std::size_t> sizes = stage_->warm_up_sizes(settings_.batch_size);
  for (const std::size_t images : sizes) {
    empty.run(images);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    log(fmt::format("warm-up with micro-batches of {} done, {:.1f} s", images, took.count()));
  }
  if (capture(empty.geometry())) {
    for (const std::size_t images : sizes) empty.run(images);
  }
  figures_.restart();
}

}  // namespace pnflow
