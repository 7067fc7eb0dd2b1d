#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "gpu/engine_settings.h"

namespace pnflow {

// What a network on a GPU takes: images of one channel, (images, 1, height, width) in C order.
struct DeviceImages {
  void* values = nullptr;  // in the device's memory
  Precision precision = Precision::float32;
  std::size_t images = 0;
  std::size_t height = 0;
  std::size_t width = 0;
  bool operator==(const DeviceImages&) const = default;
};

// What it answers: the logits of both classes for each image and pixel, class 0 being background.
struct DeviceLogits {
  const void* values = nullptr;  // in the device's memory
  Precision precision = Precision::float32;
  // From one to the next, in values: NCHW and channels-last alike.
  std::int64_t image_stride = 0, class_stride = 0, row_stride = 0, column_stride = 0;
  // Keeps the memory. Let go of when all that reads it has been enqueued on the same stream.
  std::shared_ptr<void> storage;
};

// Where the results of a micro-batch are put, in the device's memory. A model may have been given
// more images: these are the first ones.
struct DeviceMaps {
  std::size_t images = 0;
  MapGeometry geometry;  // the maps have the size of the model's images
  MapFormat format = MapFormat::bits;
  std::byte* maps = nullptr;  // images x map_bytes(format), 8-byte aligned
  float* logits = nullptr;    // images x 2 x map_pixels(), or nullptr: not wanted
  // One for each image, 0 before: set to 1 where a logit is not finite. nullptr: not wanted.
  unsigned* not_finite = nullptr;
};

// What a model has done on its device so far.
struct DeviceModelCounts {
  std::uint64_t allocations = 0;  // calls of cudaMalloc
  // The most memory that its library has held at once on the device, for all models there.
  std::uint64_t peak_bytes = 0;
  std::uint64_t graph_launches = 0;  // calls of run() that were one launch of a CUDA graph
};

// A network on one GPU, between the preparation of its input and the decision between its classes,
// which are the pipeline's. Used by one thread at a time; its device is current in that thread.
class DeviceModel {
 public:
  DeviceModel() = default;
  DeviceModel(const DeviceModel&) = delete;
  DeviceModel& operator=(const DeviceModel&) = delete;
  virtual ~DeviceModel();

  // Enqueues the network's work on `stream`, a cudaStream_t, and returns without waiting for it.
  // The logits have the size of the images. Throws DataError: "inference" when the model cannot
  // take such images, "wrong logits" when it answers something else, "out of device memory".
  virtual DeviceLogits run(const DeviceImages& images, void* stream);

  // In its place, for a model that decides without logits in memory: class 1 where its logit is the
  // greater one. False, nothing being done: the model has run(), and the pipeline decides.
  virtual bool run_to_maps(const DeviceImages&, const DeviceMaps&, void* /*stream*/) {
    return false;
  }

  // Called once, at the end of the warm-up: one of these two has been called with images of each of
  // these sizes, the largest first, and will be called with exactly these from now on. A model may
  // record its work as CUDA graphs, one for each size; when that fails it goes on without, and says
  // why. Returns whether it should be called once more with each size, its work or its memory not
  // being what they were.
  virtual bool capture(std::span<const DeviceImages>, void* /*stream*/) { return false; }

  // Thread-safe.
  virtual DeviceModelCounts counts() const { return {}; }

  // The only number of images that the model takes; 0: any up to EngineSettings::batch_size.
  virtual std::size_t fixed_batch() const { return 0; }
};

// Makes models of one kind. Offered in a Registry as `device_model_interface` under the engine's
// name, by pnflow's modules.
class DeviceModelFactory {
 public:
  virtual ~DeviceModelFactory();
  // One model for each entry of settings.devices, in that order. Throws RunError: no such file, a
  // model that does not fit the settings or the device (both sides are said).
  virtual std::vector<std::unique_ptr<DeviceModel>> make(const EngineSettings& settings) const = 0;
};

inline constexpr std::string_view device_model_interface = "pnflow.device_model/4";

}  // namespace pnflow
