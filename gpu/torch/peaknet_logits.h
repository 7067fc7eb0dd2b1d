#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "gpu/torch/peaknet_parts.h"

namespace pnflow {

// Called with what a part of the network gives, (N, C, H, W), under the name of its module in
// PyTorch, and with "bifpn.blocks.0.2" for what level 2 is behind a block. The tensor may be
// written to when this has returned.
using PeakNetWatch = std::function<void(const std::string& part, const at::Tensor& output)>;

// The logits (N, 2, H, W) for images (N, 1, H, W), H and W being multiples of the network's stride,
// in the parts' type and on their device. The caller sees to c10::InferenceMode.
at::Tensor peaknet_logits(const PeakNetParts<at::Tensor>& net, const at::Tensor& images,
                          const PeakNetWatch& watch = nullptr);

}  // namespace pnflow
