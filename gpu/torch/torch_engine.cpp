#include "gpu/torch/torch_engine.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "gpu/preprocess.h"
#include "gpu/torch/torch_network.h"
#include "graph/error.h"

namespace pnflow {

namespace {

using Size = std::int64_t;

// LibTorch's own parallelism is a setting of the calling thread.
void use_threads(int threads) {
  thread_local int used = 0;
  if (used == threads) return;
  at::set_num_threads(threads);
  used = threads;
}

class TorchEngine : public BlockingEngine {
 public:
  TorchEngine(std::unique_ptr<TorchNetwork> network, const EngineSettings& settings)
      : network_(std::move(network)),
        precision_(settings.precision),
        output_(settings.output),
        normalize_(settings.normalize),
        threads_(settings.threads),
        fixed_batch_(static_cast<Size>(network_->fixed_batch())) {}

  // The network's logits for the first images in input(), in float32.
  at::Tensor forward(Size images, Size height, Size width) {
    const c10::InferenceMode inference;
    use_threads(threads_);
    const Size count = std::max(images, fixed_batch_);
    float* values = input(static_cast<std::size_t>(count * height * width));
    std::fill(values + images * height * width, values + count * height * width, 0.0F);
    const at::Tensor input = at::from_blob(values, {count, 1, height, width}, at::kFloat);
    return network_->logits(input.to(type_of(precision_)))
        .narrow(0, 0, images)
        .to(at::kFloat)
        .contiguous();
  }

  // Room for `values` pixels of float32; keeps what is there.
  float* input(std::size_t values) {
    input_.resize(std::max(input_.size(), values));
    return input_.data();
  }

 protected:
  void run(const MicroBatch& batch) override {
    const MapGeometry& geometry = batch.geometry;
    const std::size_t pixels = geometry.map_pixels();
    float* next = input(batch.images.size() * pixels);
    for (const EngineImage& image : batch.images) {
      preprocess(image.pixels, batch.dtype, image.bad, geometry, batch.normalize, normalize_, next);
      next += pixels;
    }
    const at::Tensor logits =
        forward(static_cast<Size>(batch.images.size()), static_cast<Size>(geometry.map_height),
                static_cast<Size>(geometry.map_width));
    const float* values = logits.const_data_ptr<float>();
    for (const EngineImage& image : batch.images) {
      if (!store_classes(values, geometry, image.map) && image.not_finite) *image.not_finite = 1;
      if (image.logits) std::copy_n(values, 2 * pixels, image.logits);
      values += 2 * pixels;
    }
  }

 private:
  // Whether all logits are finite.
  bool store_classes(const float* logits, const MapGeometry& geometry, std::byte* map) {
    bool finite = true;
    const std::size_t row_bytes = geometry.map_bytes(output_) / geometry.map_height;
    classes_.resize(geometry.map_width);
    for (std::size_t y = 0; y < geometry.map_height; ++y) {
      const float* background = logits + y * geometry.map_width;
      const float* peak = background + geometry.map_pixels();
      for (std::size_t x = 0; x < geometry.map_width; ++x) {
        classes_[x] = peak[x] > background[x] ? 1 : 0;  // a tie goes to class 0
        finite &= std::isfinite(peak[x]) && std::isfinite(background[x]);
      }
      store_map_row(classes_.data(), geometry, output_, map + y * row_bytes);
    }
    return finite;
  }

  std::unique_ptr<TorchNetwork> network_;
  Precision precision_;
  MapFormat output_;
  NormalizeSettings normalize_;
  int threads_;
  Size fixed_batch_;
  std::vector<float> input_;           // grows to the largest micro-batch and stays
  std::vector<std::uint8_t> classes_;  // one row of a map
};

// Runs one empty image through the model, of the size that all images will have when they are
// padded. Without padding the size is not known yet: then one of a usual size is tried, and a model
// that cannot take it may still take the real ones.
void try_out(TorchEngine& engine, const EngineSettings& settings) {
  constexpr std::size_t usual = 64;
  const std::size_t height = settings.pad ? settings.pad->height : usual;
  const std::size_t width = settings.pad ? settings.pad->width : usual;
  std::fill_n(engine.input(height * width), height * width, 0.0F);
  try {
    engine.forward(1, static_cast<Size>(height), static_cast<Size>(width));
  } catch (const DataError& error) {
    const std::string model = "model '" + settings.weights + "' ";
    const std::string why(error.detail());
    if (error.reason() == "wrong logits") throw RunError(model + "does not fit: " + why);
    const std::string what = model + "cannot take an image (1, 1, " + std::to_string(height) +
                             ", " + std::to_string(width) + "): " + why;
    if (settings.pad) throw RunError(what);
    settings.log(what + "; whether it can take the run's images shows with the first one");
  }
}

}  // namespace

std::vector<std::unique_ptr<InferenceEngine>> TorchEngineFactory::make(
    const EngineSettings& settings) const {
  std::vector<std::unique_ptr<InferenceEngine>> engines;
  for (auto& network : load_networks(settings, {}, settings.instances)) {
    auto engine = std::make_unique<TorchEngine>(std::move(network), settings);
    if (engines.empty()) try_out(*engine, settings);
    engines.push_back(std::move(engine));
  }
  return engines;
}

}  // namespace pnflow
