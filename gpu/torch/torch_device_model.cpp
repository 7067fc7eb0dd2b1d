#include "gpu/torch/torch_device_model.h"

#include <ATen/Context.h>
#include <ATen/ops/from_blob.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <utility>

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

class TorchDeviceModel : public DeviceModel {
 public:
  TorchDeviceModel(std::unique_ptr<TorchNetwork> network, int device)
      : network_(std::move(network)), device_(static_cast<c10::DeviceIndex>(device)) {}

  std::size_t fixed_batch() const override { return network_->fixed_batch(); }
  std::uint64_t allocations() const override {
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device_);
    return static_cast<std::uint64_t>(stats.num_device_alloc);
  }

  DeviceLogits run(const DeviceImages& images, void* stream) override {
    const c10::cuda::CUDAStreamGuard guard(
        c10::cuda::getStreamFromExternal(static_cast<cudaStream_t>(stream), device_));
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

 private:
  std::unique_ptr<TorchNetwork> network_;
  c10::DeviceIndex device_;
};

}  // namespace

std::vector<std::unique_ptr<DeviceModel>> TorchDeviceModelFactory::make(
    const EngineSettings& settings) const {
  // Convolutions are timed once for each size: the pipeline gives a network few of them.
  at::globalContext().setBenchmarkCuDNN(true);
  std::vector<std::unique_ptr<DeviceModel>> models;
  for (const int device : settings.devices) {
    auto networks = load_networks(settings, {device, capability_of(device)}, 1);
    models.push_back(std::make_unique<TorchDeviceModel>(std::move(networks.front()), device));
  }
  return models;
}

}  // namespace pnflow
