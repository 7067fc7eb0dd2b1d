#include "gpu/threshold_engine.h"

#include <algorithm>

#include "gpu/threshold.h"

namespace pnflow {

namespace {

class ThresholdEngine : public BlockingEngine {
 public:
  explicit ThresholdEngine(const EngineSettings& settings)
      : output_(settings.output), finder_(settings.threshold) {}

 protected:
  void run(const MicroBatch& batch) override {
    for (const EngineImage& image : batch.images) {
      // The finder needs no padding: it works on the image and its answer is put into the map.
      const auto found = finder_.find(image.pixels, batch.dtype, image.bad, batch.geometry.height,
                                      batch.geometry.width, batch.geometry.stride);
      store(found.data(), batch.geometry, image.map);
    }
  }

 private:
  void store(const std::uint8_t* found, const MapGeometry& geometry, std::byte* map) {
    const std::size_t row_bytes = geometry.map_bytes(output_) / geometry.map_height;
    row_.assign(geometry.map_width, 0);
    for (std::size_t y = 0; y < geometry.map_height; ++y) {
      if (y < geometry.top || y >= geometry.top + geometry.height) {
        std::fill_n(map + y * row_bytes, row_bytes, std::byte{0});
        continue;
      }
      std::copy_n(found + (y - geometry.top) * geometry.width, geometry.width,
                  row_.begin() + static_cast<std::ptrdiff_t>(geometry.left));
      store_map_row(row_.data(), geometry, output_, map + y * row_bytes);
    }
  }

  MapFormat output_;
  ThresholdFinder finder_;
  std::vector<std::uint8_t> row_;  // one row of the map
};

}  // namespace

std::vector<std::unique_ptr<InferenceEngine>> ThresholdEngineFactory::make(
    const EngineSettings& settings) const {
  std::vector<std::unique_ptr<InferenceEngine>> engines;
  for (int i = 0; i < settings.instances; ++i) {
    engines.push_back(std::make_unique<ThresholdEngine>(settings));
  }
  return engines;
}

}  // namespace pnflow
