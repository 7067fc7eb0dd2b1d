// A plugin whose network fails, in place of engine 'torchscript': at the launch whose number, from
// 0, is in $PNFLOW_TEST_FAULT_AT a kernel reads from nowhere, which no device recovers from.

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "gpu/device_model.h"
#include "graph/abi.h"
#include "graph/registry.h"

namespace {

using namespace pnflow;

__global__ void read_from_nowhere(float* out) { *out = *reinterpret_cast<float*>(8); }

class FaultyModel : public DeviceModel {
 public:
  explicit FaultyModel(int fault_at) : fault_at_(fault_at) {}
  ~FaultyModel() override { cudaFree(logits_); }

  DeviceLogits run(const DeviceImages& images, void* opaque) override {
    auto* stream = static_cast<cudaStream_t>(opaque);
    const std::size_t pixels = images.height * images.width;
    const std::size_t bytes = images.images * 2 * pixels * sizeof(float);
    if (bytes > bytes_) {
      cudaFree(logits_);
      cudaMalloc(&logits_, bytes);
      bytes_ = bytes;
    }
    cudaMemsetAsync(logits_, 0, bytes, stream);
    if (launches_++ == fault_at_) read_from_nowhere<<<1, 1, 0, stream>>>(logits_);
    const auto width = static_cast<std::int64_t>(images.width);
    const auto plane = static_cast<std::int64_t>(pixels);
    return {logits_, Precision::float32, 2 * plane, plane, width, 1, {}};
  }

 private:
  int fault_at_;
  int launches_ = 0;
  float* logits_ = nullptr;
  std::size_t bytes_ = 0;
};

class FaultyModels : public DeviceModelFactory {
 public:
  std::vector<std::unique_ptr<DeviceModel>> make(const EngineSettings& settings) const override {
    const char* at = std::getenv("PNFLOW_TEST_FAULT_AT");
    std::vector<std::unique_ptr<DeviceModel>> models;
    for (std::size_t i = 0; i < settings.devices.size(); ++i) {
      models.push_back(std::make_unique<FaultyModel>(at && i == 0 ? std::atoi(at) : -1));
    }
    return models;
  }
};

}  // namespace

extern "C" PNFLOW_API const char* pnflow_abi();
extern "C" PNFLOW_API void pnflow_register(Registry& registry);

const char* pnflow_abi() { return PNFLOW_ABI_STRING; }

void pnflow_register(Registry& registry) {
  const std::shared_ptr<DeviceModelFactory> factory = std::make_shared<FaultyModels>();
  registry.offer(std::string(device_model_interface), "torchscript", factory);
}
