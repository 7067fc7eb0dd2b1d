#pragma once

#include <cstddef>

#include "gpu/engine.h"

namespace pnflow {

// Empty micro-batches through a pipeline and all its sets of buffers, so that memory and what
// libraries find out are there before the first real one. The images' size must be known:
// settings.pad is given.
class WarmUp {
 public:
  WarmUp(InferenceEngine& pipeline, const EngineSettings& settings)
      : pipeline_(pipeline), settings_(settings) {}

  MapGeometry geometry() const;  // of the images

  // A micro-batch of that many images. Throws RunError: the device has too little memory, and how
  // many images would fit; the model cannot take them.
  void run(std::size_t images);

 private:
  void launch(std::size_t images);
  std::size_t largest_that_fits();

  InferenceEngine& pipeline_;
  const EngineSettings& settings_;
};

}  // namespace pnflow
