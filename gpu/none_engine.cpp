#include "gpu/none_engine.h"

#include <cstring>

#include "gpu/preprocess.h"

namespace pnflow {

namespace {

class NoneEngine : public BlockingEngine {
 public:
  explicit NoneEngine(const EngineSettings& settings)
      : output_(settings.output), eps_(settings.normalize_eps) {}

 protected:
  void run(const MicroBatch& batch) override {
    const std::size_t pixels = batch.geometry.map_pixels();
    input_.resize(batch.images.size() * pixels);
    float* input = input_.data();
    for (const EngineImage& image : batch.images) {
      preprocess(image.pixels, batch.dtype, image.bad, batch.geometry, batch.normalize, eps_,
                 input);
      std::memset(image.map, 0, batch.geometry.map_bytes(output_));
      input += pixels;
    }
  }

 private:
  MapFormat output_;
  double eps_;
  std::vector<float> input_;  // grows to the largest micro-batch and stays
};

}  // namespace

std::vector<std::unique_ptr<InferenceEngine>> NoneEngineFactory::make(
    const EngineSettings& settings) const {
  std::vector<std::unique_ptr<InferenceEngine>> engines;
  for (int i = 0; i < settings.instances; ++i) {
    engines.push_back(std::make_unique<NoneEngine>(settings));
  }
  return engines;
}

}  // namespace pnflow
