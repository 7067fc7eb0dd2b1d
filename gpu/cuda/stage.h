#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "gpu/cuda/raw_images.h"
#include "gpu/device_model.h"
#include "gpu/engine_settings.h"

namespace pnflow {

// What a pipeline computes between the raw pixels and the maps, both in the device's memory. Used
// by one thread at a time, whose current device is the stage's, on one stream.
class DeviceStage {
 public:
  DeviceStage() = default;
  DeviceStage(const DeviceStage&) = delete;
  DeviceStage& operator=(const DeviceStage&) = delete;
  virtual ~DeviceStage() = default;
  // Enqueues the work on `stream` and does not wait for it. Working memory grows to the largest
  // micro-batch. Throws CudaError, and what DeviceModel::run() throws.
  virtual void enqueue(const RawImages& raw, Normalize normalize, const DeviceMaps& results,
                       cudaStream_t stream) = 0;
  // The sizes of micro-batch that are worth a warm-up, the largest first, where the largest one
  // that comes is `batch_size`.
  virtual std::vector<std::size_t> warm_up_sizes(std::size_t batch_size) const {
    return {batch_size};
  }
  // The end of the warm-up: enqueue() has been called with micro-batches of these sizes, whose maps
  // were as large as those of all that follow. As DeviceModel::capture().
  virtual bool capture(const MapGeometry&, cudaStream_t) { return false; }
  // As DeviceModel::counts().
  virtual DeviceModelCounts counts() const { return {}; }
};

// The sizes of micro-batch that a network is given: powers of two and the largest. A smaller one is
// filled up with empty images, so that the libraries under a network, which choose their algorithms
// and working memory by size, meet only few.
std::vector<std::size_t> network_batches(std::size_t largest);

// Masks, normalises, pads and converts, runs the model and decides between its classes.
std::unique_ptr<DeviceStage> make_network_stage(const EngineSettings& settings,
                                                std::unique_ptr<DeviceModel> model);
// The same without a model: nothing is found.
std::unique_ptr<DeviceStage> make_none_stage(const EngineSettings& settings);
std::unique_ptr<DeviceStage> make_threshold_stage(const EngineSettings& settings);

}  // namespace pnflow
