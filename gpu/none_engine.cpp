#include "gpu/none_engine.h"

#include <cstring>

#include "gpu/preprocess.h"

namespace pnflow {

namespace {

class NoneEngine : public BlockingEngine {
 public:
  explicit NoneEngine(const EngineSettings& settings)
      : output_(settings.output), normalize_(settings.normalize) {}

 protected:
  void run(const MicroBatch& batch) override {
    input_.resize(batch.geometry.map_pixels());
    for (const EngineImage& image : batch.images) {
      preprocess(image.pixels, batch.dtype, image.bad, batch.geometry, batch.normalize, normalize_,
                 input_.data());
      std::memset(image.map, 0, batch.geometry.map_bytes(output_));
    }
  }

 private:
  MapFormat output_;
  NormalizeSettings normalize_;
  std::vector<float> input_;  // of one image: nothing reads it
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
