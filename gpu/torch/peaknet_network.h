#pragma once

#include <memory>
#include <vector>

#include "gpu/torch/torch_network.h"

namespace pnflow {

// The PeakNet whose state dict is in settings.weights, out of LibTorch's operations: on the CPU and
// in float32 the bits of the same network in PyTorch. `count` networks, which share their weights.
// Heights and widths may be any: images are padded with zeros below and to the right, as far as the
// network's stride asks for. Throws RunError: what read_state_dict() and peaknet_weights() do.
std::vector<std::unique_ptr<TorchNetwork>> load_peaknet(const EngineSettings& settings,
                                                        const TorchPlace& place, int count);

}  // namespace pnflow
