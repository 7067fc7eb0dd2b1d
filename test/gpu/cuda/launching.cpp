#include "test/gpu/cuda/launching.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <limits>
#include <random>
#include <type_traits>

#include "graph/registry.h"

namespace pnflow::test {

PipelineFactory& pipelines() {
  static const auto factory = [] {
    static Registry registry;
    load_module(registry, "cuda", "built with nvcc");
    return std::static_pointer_cast<PipelineFactory>(
        registry.find_offer(pipeline_interface, "cuda"));
  }();
  REQUIRE(factory);
  return *factory;
}

Images random_images(DType dtype, const MapGeometry& geometry, std::size_t count, bool masked,
                     unsigned seed) {
  Images images{dtype, geometry, count};
  std::mt19937 random(seed);
  images.pixels.resize(count * geometry.pixels() * size_of(dtype));
  dispatch(dtype, [&](auto element) {
    using T = decltype(element);
    auto* pixels = reinterpret_cast<T*>(images.pixels.data());
    std::normal_distribution<double> noise(60, 5);
    for (std::size_t i = 0; i < count * geometry.pixels(); ++i) {
      double value = noise(random);
      if (random() % 97 == 0) value += random() % 1000;
      pixels[i] =
          static_cast<T>(std::min(value, static_cast<double>(std::numeric_limits<T>::max())));
    }
    if constexpr (std::is_floating_point_v<T>) {
      for (const T odd : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                          -std::numeric_limits<T>::infinity(), std::numeric_limits<T>::max()}) {
        pixels[random() % (count * geometry.pixels())] = odd;
      }
    }
  });
  if (masked) {
    images.bad.resize(geometry.pixels());
    for (auto& bad : images.bad) bad = random() % 50 == 0 ? 1 : 0;
  }
  return images;
}

void run(InferenceEngine& engine, Images& images, std::size_t first, std::size_t count,
         Normalize normalize, const EngineSettings& settings) {
  const std::size_t map_bytes = images.geometry.map_bytes(settings.output);
  const std::size_t logits = 2 * images.geometry.map_pixels();
  images.maps.resize(images.count * map_bytes, std::byte{0xAA});
  images.not_finite.resize(images.count);
  if (settings.logits) images.logits.resize(images.count * logits, 1e30F);
  MicroBatch batch{images.dtype, images.geometry, normalize, {}};
  for (std::size_t i = first; i < first + count; ++i) {
    EngineImage image;
    image.pixels = images.image(i);
    if (!images.bad.empty()) {
      image.bad = images.bad.data();
      // Owned by nobody, but there as long as the engine is.
      image.bad_storage = {std::shared_ptr<void>(), reinterpret_cast<const std::byte*>(image.bad)};
    }
    image.map = images.maps.data() + i * map_bytes;
    image.not_finite = &images.not_finite[i];
    if (settings.logits) image.logits = images.logits.data() + i * logits;
    batch.images.push_back(image);
  }
  launch_and_wait(engine, batch);
}

void launch_and_wait(InferenceEngine& engine, const MicroBatch& batch) {
  std::promise<void> done;
  engine.launch(batch, [&](const std::exception_ptr& error) {
    error ? done.set_exception(error) : done.set_value();
  });
  done.get_future().get();
}

}  // namespace pnflow::test
