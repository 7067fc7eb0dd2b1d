#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "gpu/peaknet/state_dict.h"

namespace pnflow {

// The longest header that is read, as in safetensors' own reader.
inline constexpr std::size_t largest_safetensors_header = 100'000'000;  // bytes

// Reads a safetensors file (https://huggingface.co/docs/safetensors): the length of the header in 8
// bytes, little-endian; the header in JSON, {"NAME": {"dtype", "shape", "data_offsets"}}, with
// strings under "__metadata__", which nobody needs here; the tensors, which follow each other
// without holes or overlaps and to the end of the file. The tensors lie in the mapped file. Throws
// RunError, which names the file and the tensor: no such file, whatever is otherwise in it.
StateDict read_safetensors(const std::filesystem::path& path);

// The same of bytes in memory, which `storage` keeps; `file` is their name in errors. Pure.
StateDict parse_safetensors(std::span<const std::byte> bytes,
                            const std::shared_ptr<const void>& storage, const std::string& file);

}  // namespace pnflow
