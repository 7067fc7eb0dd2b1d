#include "gpu/torch/torch_device_model.h"

#include <ATen/Context.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/from_blob.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "gpu/torch/captured_graph.h"
#include "gpu/torch/torch_network.h"
#include "graph/error.h"

namespace pnflow {

namespace {

Precision precision_of(const at::Tensor& logits) {
  switch (logits.scalar_type()) {
    case at::kFloat: return Precision::float32;
    case at::kBFloat16: return Precision::bfloat16;
    case at::kHalf: return Precision::float16;
    default: break;
  }
  throw DataError("wrong logits", std::string("the model gives ") +
                                      c10::toString(logits.scalar_type()) +
                                      " logits, not float32, bfloat16 or float16");
}

std::string capability_of(int device) {
  int major = 0;
  int minor = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  return std::to_string(10 * major + minor);
}

// One capture at a time in the process, as CapturedGraph wants it.
std::mutex& capture_mutex() {
  static std::mutex mutex;
  return mutex;
}

void check_launch(cudaError_t code) {
  if (code == cudaSuccess) return;
  throw DataError(code == cudaErrorMemoryAllocation ? "out of device memory" : "inference",
                  fmt::format("launch of a CUDA graph: {} ({})", cudaGetErrorString(code),
                              cudaGetErrorName(code)));
}

class TorchDeviceModel : public DeviceModel {
 public:
  TorchDeviceModel(std::unique_ptr<TorchNetwork> network, int device,
                   const EngineSettings& settings)
      : network_(std::move(network)),
        device_(static_cast<c10::DeviceIndex>(device)),
        graphs_wanted_(settings.cuda_graph == CudaGraph::automatic),
        log_(settings.log) {}

  std::size_t fixed_batch() const override { return network_->fixed_batch(); }

  // Of LibTorch's allocator, for all models on the device. The weights of an AOTInductor package
  // are not in it: the package's own code calls cudaMalloc for them, unless it was compiled with
  // `weight_use_caching_allocator`.
  DeviceModelCounts counts() const override {
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device_);
    constexpr auto all = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    return {.allocations = static_cast<std::uint64_t>(stats.num_device_alloc),
            .peak_bytes = static_cast<std::uint64_t>(stats.reserved_bytes[all].peak),
            .graph_launches = graph_launches_};
  }

  DeviceLogits run(const DeviceImages& images, void* opaque) override {
    auto* stream = static_cast<cudaStream_t>(opaque);
    const auto captured = std::ranges::find(captured_, images, &Captured::images);
    if (captured == captured_.end()) return enqueue(images, stream);
    check_launch(captured->graph->launch(stream));
    ++graph_launches_;
    return captured->logits;
  }

  bool capture(std::span<const DeviceImages> sizes, void* stream) override {
    if (!graphs_wanted_) return false;
    const std::lock_guard lock(capture_mutex());
    try {
      capture_all(sizes, static_cast<cudaStream_t>(stream));
      log_(fmt::format("device {}: CUDA graphs of {} sizes of micro-batch", device_,
                       captured_.size()));
    } catch (const std::exception& error) {
      captured_.clear();
      log_(fmt::format("device {}: the model runs without CUDA graphs: {}", device_,
                       core_of(error)));
    }
    return true;
  }

 private:
  struct Captured {
    DeviceImages images;
    DeviceLogits logits;  // of each launch
    std::unique_ptr<CapturedGraph> graph;
  };

  c10::cuda::CUDAStream stream_of(cudaStream_t stream) const {
    return c10::cuda::getStreamFromExternal(stream, device_);
  }

  DeviceLogits enqueue(const DeviceImages& images, cudaStream_t stream) {
    const c10::cuda::CUDAStreamGuard guard(stream_of(stream));
    const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
    const at::Tensor input = at::from_blob(
        images.values, {size(images.images), 1, size(images.height), size(images.width)},
        at::TensorOptions(type_of(images.precision)).device(at::kCUDA, device_));
    auto logits = std::make_shared<at::Tensor>(network_->logits(input));
    DeviceLogits answer;
    answer.values = logits->const_data_ptr();
    answer.precision = precision_of(*logits);
    answer.image_stride = logits->stride(0);
    answer.class_stride = logits->stride(1);
    answer.row_stride = logits->stride(2);
    answer.column_stride = logits->stride(3);
    answer.storage = std::move(logits);
    return answer;
  }

  // Only what has come to rest can be recorded: TorchScript looks at the first run of a size,
  // compiles in the second, and the third is as all that follow.
  void capture_all(std::span<const DeviceImages> sizes, cudaStream_t stream) {
    constexpr int runs_to_rest = 3;
    for (const DeviceImages& images : sizes) {
      for (int i = 0; i < runs_to_rest; ++i) enqueue(images, stream);
    }
    C10_CUDA_CHECK(cudaStreamSynchronize(stream));
    // Graphs have memory of their own: that in which the model has run until now is given back. So
    // is what other models hold and do not use at this moment; they ask for it again when they do.
    c10::cuda::CUDACachingAllocator::emptyCache();
    const c10::cuda::CUDAStreamGuard guard(stream_of(stream));
    const c10::MempoolId_t pool = at::cuda::graph_pool_handle();
    for (const DeviceImages& images : sizes) {
      DeviceLogits logits;
      auto graph = std::make_unique<CapturedGraph>(stream_of(stream), pool,
                                                   [&] { logits = enqueue(images, stream); });
      captured_.push_back({images, std::move(logits), std::move(graph)});
    }
  }

  std::unique_ptr<TorchNetwork> network_;
  c10::DeviceIndex device_;
  bool graphs_wanted_;
  std::function<void(const std::string&)> log_;
  std::vector<Captured> captured_;
  std::atomic<std::uint64_t> graph_launches_ = 0;
};

}  // namespace

std::vector<std::unique_ptr<DeviceModel>> TorchDeviceModelFactory::make(
    const EngineSettings& settings) const {
  // Convolutions are timed once for each size: the pipeline gives a network few of them.
  at::globalContext().setBenchmarkCuDNN(true);
  std::vector<std::unique_ptr<DeviceModel>> models;
  for (const int device : settings.devices) {
    auto networks = load_networks(settings, {device, capability_of(device)}, 1);
    models.push_back(
        std::make_unique<TorchDeviceModel>(std::move(networks.front()), device, settings));
  }
  return models;
}

}  // namespace pnflow
