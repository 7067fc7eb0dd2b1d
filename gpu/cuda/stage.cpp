#include "gpu/cuda/stage.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/cuda_memory.h"
#include "gpu/cuda/decide.h"
#include "gpu/cuda/prepare.h"
#include "gpu/cuda/threshold_kernels.h"

namespace pnflow {

namespace {

// The input of a network. One for all micro-batches: they are computed one after the other.
class NetworkInput {
 public:
  explicit NetworkInput(const EngineSettings& settings)
      : precision_(settings.precision), normalize_(settings.normalize) {}

  // `images` at least, of which those beyond raw.images are 0.
  DeviceImages prepare(const RawImages& raw, Normalize normalize, std::size_t images,
                       cudaStream_t stream) {
    const std::size_t image_bytes = raw.geometry.map_pixels() * size_of(precision_);
    values_.reserve(images * image_bytes);
    statistics_.reserve(statistics_bytes(raw.images));
    prepare_images(raw, normalize, normalize_, precision_, statistics_.data(), values_.data(),
                   stream);
    if (images > raw.images) {
      check(cudaMemsetAsync(values_.data() + raw.images * image_bytes, 0,
                            (images - raw.images) * image_bytes, stream),
            "cudaMemsetAsync");
    }
    return prepared(raw.geometry, images);
  }
  // What prepare() gives when it need not grow.
  DeviceImages prepared(const MapGeometry& geometry, std::size_t images) const {
    return {values_.data(), precision_, images, geometry.map_height, geometry.map_width};
  }

 private:
  Precision precision_;
  NormalizeSettings normalize_;
  CudaBuffer values_{MemoryKind::device};
  CudaBuffer statistics_{MemoryKind::device};
};

class NetworkStage : public DeviceStage {
 public:
  NetworkStage(const EngineSettings& settings, std::unique_ptr<DeviceModel> model)
      : input_(settings), batches_(network_batches(settings.batch_size)), model_(std::move(model)) {
    if (const std::size_t fixed = model_->fixed_batch(); fixed > 0) batches_ = {fixed};
  }

  void enqueue(const RawImages& raw, Normalize normalize, const DeviceMaps& results,
               cudaStream_t stream) override {
    const std::size_t count = *std::ranges::lower_bound(batches_, raw.images);
    const DeviceImages images = input_.prepare(raw, normalize, count, stream);
    if (model_->run_to_maps(images, results, stream)) return;
    decide_classes(model_->run(images, stream), results, stream);
  }
  std::vector<std::size_t> warm_up_sizes(std::size_t batch_size) const override {
    if (model_->fixed_batch() > 0) return {batch_size};  // with fillers it is the model's
    // What a library finds out first is what it makes fastest: TorchScript compiles kernels for the
    // first few sizes that it meets, and general ones for those that come later.
    return {batches_.rbegin(), batches_.rend()};
  }
  bool capture(const MapGeometry& geometry, cudaStream_t stream) override {
    std::vector<DeviceImages> sizes;
    for (const std::size_t count : batches_ | std::views::reverse) {
      sizes.push_back(input_.prepared(geometry, count));
    }
    return model_->capture(sizes, stream);
  }
  DeviceModelCounts counts() const override { return model_->counts(); }

 private:
  NetworkInput input_;
  std::vector<std::size_t> batches_;
  std::unique_ptr<DeviceModel> model_;
};

class NoneStage : public DeviceStage {
 public:
  explicit NoneStage(const EngineSettings& settings) : input_(settings) {}

  void enqueue(const RawImages& raw, Normalize normalize, const DeviceMaps& results,
               cudaStream_t stream) override {
    input_.prepare(raw, normalize, raw.images, stream);
    const std::size_t bytes = results.images * results.geometry.map_bytes(results.format);
    check(cudaMemsetAsync(results.maps, 0, bytes, stream), "cudaMemsetAsync");
  }

 private:
  NetworkInput input_;
};

class ThresholdStage : public DeviceStage {
 public:
  explicit ThresholdStage(const EngineSettings& settings)
      : rule_(settings.threshold), radius_(settings.threshold.radius) {}

  void enqueue(const RawImages& raw, Normalize, const DeviceMaps& results,
               cudaStream_t stream) override {
    scratch_.reserve(threshold_bytes(raw.images, raw.geometry.pixels()));
    find_by_threshold(raw, rule_, radius_, results.format, scratch_.data(), results.maps, stream);
  }

 private:
  ThresholdRule rule_;
  int radius_;
  CudaBuffer scratch_{MemoryKind::device};
};

}  // namespace

std::vector<std::size_t> network_batches(std::size_t largest) {
  std::vector<std::size_t> sizes;
  for (std::size_t size = 1; size < largest; size *= 2) sizes.push_back(size);
  sizes.push_back(largest);
  return sizes;
}

std::unique_ptr<DeviceStage> make_network_stage(const EngineSettings& settings,
                                                std::unique_ptr<DeviceModel> model) {
  return std::make_unique<NetworkStage>(settings, std::move(model));
}

std::unique_ptr<DeviceStage> make_none_stage(const EngineSettings& settings) {
  return std::make_unique<NoneStage>(settings);
}

std::unique_ptr<DeviceStage> make_threshold_stage(const EngineSettings& settings) {
  return std::make_unique<ThresholdStage>(settings);
}

}  // namespace pnflow
