#pragma once

#include <string>

#include "gpu/peaknet/state_dict.h"

namespace pnflow {

// The tensors in a file of weights: safetensors, or what torch.save has written, which is told by
// its first bytes. Tensors alone are read, and nothing in the file is executed. Throws RunError,
// which names the file: it cannot be read, it is something else, it has other objects.
StateDict read_state_dict(const std::string& path);

}  // namespace pnflow
