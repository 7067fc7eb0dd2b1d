#include "gpu/cuda/warm_up.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <string>

#include "gpu/cuda/cuda_memory.h"
#include "gpu/cuda/stage.h"
#include "graph/array.h"
#include "graph/error.h"

namespace pnflow {

MapGeometry WarmUp::geometry() const {
  return map_geometry(settings_.pad->height, settings_.pad->width, {});
}

void WarmUp::run(std::size_t images) {
  try {
    launch(images);
  } catch (const DataError& error) {
    if (error.reason() != "out of device memory") throw RunError(std::string(error.detail()));
    throw RunError(fmt::format("{}: 'batch_size' of {} images of {}x{} is too large; {} fit",
                               error.detail(), settings_.batch_size, settings_.pad->height,
                               settings_.pad->width, largest_that_fits()));
  }
}

std::size_t WarmUp::largest_that_fits() {
  std::size_t fits = 0;
  for (const std::size_t images : network_batches(settings_.batch_size)) {
    try {
      launch(images);
    } catch (const DataError&) {
      break;
    }
    fits = images;
  }
  return fits;
}

void WarmUp::launch(std::size_t images) {
  const MapGeometry all = geometry();
  constexpr DType widest = DType::f32;  // of those that detectors usually have
  // All images are the same one: only the device needs room for all of them.
  MutableArray pixels(*pinned_pool(), widest, {all.pixels()});
  std::ranges::fill(pixels.raw(), std::byte{0});
  const auto map = pinned_pool()->allocate(all.map_pixels());
  const auto logits =
      settings_.logits ? pinned_pool()->allocate(all.map_pixels() * 2 * sizeof(float)) : nullptr;
  EngineImage image;
  image.pixels = pixels.raw().data();
  image.map = map.get();
  image.logits = reinterpret_cast<float*>(logits.get());
  const MicroBatch batch{widest, all, Normalize::instance, std::vector<EngineImage>(images, image)};
  // As many as there are sets, so that each of them grows to the size.
  for (int i = 0; i < pipeline_.buffers(); ++i) {
    std::promise<void> finished;
    pipeline_.launch(batch, [&](const std::exception_ptr& error) {
      error ? finished.set_exception(error) : finished.set_value();
    });
    finished.get_future().get();
  }
}

}  // namespace pnflow
