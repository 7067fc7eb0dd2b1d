#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "gpu/peaknet/state_dict.h"

namespace pnflow {

// The tensors in a file of weights: safetensors, or what torch.save has written, which is told by
// its first bytes. Tensors alone are read, and nothing in the file is executed. Those of
// safetensors lie in the mapped file; storages of torch.save are copied, and take no more memory
// than the file has bytes. Throws RunError, which names the file: it cannot be read, it is
// something else, it has other objects.
StateDict read_state_dict(const std::string& path);

// The same of bytes in memory, which `storage` keeps; `file` is their name in errors. Pure.
StateDict parse_state_dict(std::span<const std::byte> bytes,
                           const std::shared_ptr<const void>& storage, const std::string& file);

}  // namespace pnflow
