#include "test/gpu/cuda/echo_model.h"

#include <doctest/doctest.h>

namespace pnflow::test {

namespace {

class EchoModel : public DeviceModel {
 public:
  EchoModel(bool channels_last, std::size_t fixed_batch)
      : channels_last_(channels_last), fixed_batch_(fixed_batch) {}
  ~EchoModel() override { cudaFree(logits_); }

  std::size_t fixed_batch() const override { return fixed_batch_; }

  DeviceLogits run(const DeviceImages& images, void* opaque) override {
    auto* stream = static_cast<cudaStream_t>(opaque);
    const std::size_t value = size_of(images.precision);
    const std::size_t pixels = images.height * images.width;
    const std::size_t bytes = images.images * 2 * pixels * value;
    if (bytes > bytes_) {
      cudaFree(logits_);
      REQUIRE(cudaMalloc(&logits_, bytes) == cudaSuccess);
      bytes_ = bytes;
    }
    REQUIRE(cudaMemsetAsync(logits_, 0, bytes, stream) == cudaSuccess);
    // Rows of the copy are pixels of the answer, or whole planes of it.
    const std::size_t row = channels_last_ ? value : pixels * value;
    const std::size_t rows = images.images * (channels_last_ ? pixels : 1);
    REQUIRE(cudaMemcpy2DAsync(static_cast<std::byte*>(logits_) + row, 2 * row, images.values, row,
                              row, rows, cudaMemcpyDeviceToDevice, stream) == cudaSuccess);
    const auto width = static_cast<std::int64_t>(images.width);
    const auto plane = static_cast<std::int64_t>(pixels);
    DeviceLogits logits;
    logits.values = logits_;
    logits.precision = images.precision;
    logits.image_stride = 2 * plane;
    logits.class_stride = channels_last_ ? 1 : plane;
    logits.row_stride = channels_last_ ? 2 * width : width;
    logits.column_stride = channels_last_ ? 2 : 1;
    return logits;
  }

 private:
  bool channels_last_;
  std::size_t fixed_batch_;
  void* logits_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace

std::vector<std::unique_ptr<DeviceModel>> EchoModels::make(const EngineSettings& settings) const {
  std::vector<std::unique_ptr<DeviceModel>> models;
  for (std::size_t i = 0; i < settings.devices.size(); ++i) {
    models.push_back(std::make_unique<EchoModel>(channels_last_, fixed_batch_));
  }
  return models;
}

}  // namespace pnflow::test
