#pragma once

#include <ATen/core/Tensor.h>

#include "gpu/peaknet/peaknet_structure.h"
#include "gpu/peaknet/peaknet_weights.h"

namespace pnflow {

// The weights as peaknet_logits() takes them, of this type and on this device. Those of
// convolutions have the channels of a pixel side by side, which is fastest; those of the BiFPN's
// means have become shares (w_q_mask is in them), and those of its depthwise convolutions (1, C, 1,
// 1).
PeakNetParts<at::Tensor> peaknet_parts(const PeakNetWeights& weights, at::ScalarType type,
                                       at::Device device);

}  // namespace pnflow
