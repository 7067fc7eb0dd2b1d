#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gpu/engine_settings.h"

namespace pnflow {

// A model that LibTorch runs, on the CPU or a GPU. Used by one thread at a time.
class TorchNetwork {
 public:
  TorchNetwork() = default;
  TorchNetwork(const TorchNetwork&) = delete;
  TorchNetwork& operator=(const TorchNetwork&) = delete;
  virtual ~TorchNetwork() = default;

  // The logits (N, 2, H, W), of a floating type, for images (N, 1, H, W). On a GPU the work is
  // enqueued on the current stream. Throws DataError: "inference" when the model cannot take the
  // images, "wrong logits" when it answers something else (both are said), "out of device memory".
  at::Tensor logits(const at::Tensor& images);

  // The only N that the model takes; 0: any.
  virtual std::size_t fixed_batch() const { return 0; }

 protected:
  virtual at::Tensor forward(const at::Tensor& images) = 0;
};

// Where a network runs.
struct TorchPlace {
  int device = -1;         // GPU; -1: the CPU
  std::string capability;  // of that GPU: "90"
};

// The model in settings.weights, as settings.name says: "torchscript" (a .pt file), "aoti" (an
// AOTInductor package, .pt2) or "peaknet" (a state dict), `count` times, which is 1 on a GPU. They
// share what they only read, where LibTorch allows it. Throws RunError: no such file, not such a
// file, one that was made for another device, precision or size, weights that do not fit.
std::vector<std::unique_ptr<TorchNetwork>> load_networks(const EngineSettings& settings,
                                                         const TorchPlace& place, int count);

at::Device torch_device(const TorchPlace& place);

at::ScalarType type_of(Precision precision);

// The line of an exception of LibTorch, whose text is a traceback, that says what was wrong.
std::string core_of(const std::exception& error);

}  // namespace pnflow
