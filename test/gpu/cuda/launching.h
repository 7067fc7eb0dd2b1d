#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gpu/engine.h"
#include "gpu/pipeline_factory.h"

namespace pnflow::test {

// The pipelines of libpnflow_cuda.so.
PipelineFactory& pipelines();

// Images of one shape and dtype, all in one block of ordinary or of pinned memory, and their
// results.
struct Images {
  DType dtype = DType::u16;
  MapGeometry geometry;
  std::size_t count = 1;
  std::vector<std::byte> pixels = {};  // images of the geometry, whole or cropped already
  std::vector<std::uint8_t> bad = {};  // of one image, or empty
  std::vector<std::byte> maps = {};
  std::vector<float> logits = {};
  std::vector<std::uint8_t> not_finite = {};  // of each image; run() makes it

  const std::byte* image(std::size_t i) const {
    return pixels.data() + i * geometry.pixels() * size_of(dtype);
  }
  const std::byte* map(std::size_t i, MapFormat format) const {
    return maps.data() + i * geometry.map_bytes(format);
  }
};

// Noise with spots, values beyond what a detector gives, and where the type has them NaN and
// infinities; one pixel in fifty is bad when `masked`.
Images random_images(DType dtype, const MapGeometry& geometry, std::size_t count, bool masked,
                     unsigned seed);

// Launches a micro-batch and waits for it. Rethrows its error.
void launch_and_wait(InferenceEngine& engine, const MicroBatch& batch);

// Launches images [first, first + count) as one micro-batch and waits for it. Rethrows its error.
void run(InferenceEngine& engine, Images& images, std::size_t first, std::size_t count,
         Normalize normalize, const EngineSettings& settings);

}  // namespace pnflow::test
