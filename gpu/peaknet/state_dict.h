#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/array.h"

namespace pnflow {

// Types of the values of a tensor in a file of weights.
enum class WeightType : std::uint8_t {
  f64,
  f32,
  f16,
  bf16,
  f8_e4m3,
  f8_e5m2,
  i64,
  i32,
  i16,
  i8,
  u64,
  u32,
  u16,
  u8,
  boolean
};

// The name that safetensors files give a type, "BF16", and the bytes of a value.
std::string_view name_of(WeightType type);
std::size_t size_of(WeightType type);
// The type of that name; nothing when there is none.
std::optional<WeightType> weight_type_named(std::string_view name);

// A tensor in C order. The bytes are little-endian and may lie at any address; they stay as long as
// `storage`, of which copies may be kept.
struct WeightTensor {
  WeightType type = WeightType::f32;
  Shape shape;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> storage = {};
};

// The tensors of a network by their names, "backbone.embeddings.layernorm.weight".
using StateDict = std::map<std::string, WeightTensor, std::less<>>;

// Adds a tensor under its name without what wrappers put before it: "module." (one for several
// GPUs) and "_orig_mod." (torch.compile), in any order. Throws RunError, which names `file`: two
// tensors of one name, a name with control characters.
void add_tensor(StateDict& state, std::string_view name, WeightTensor tensor,
                const std::string& file);

// The values as float32, which all of f32, f16 and bf16 become exactly, f64 by rounding, and
// boolean ones as 0 and 1. The type must be one of these five.
std::vector<float> floats_of(const WeightTensor& tensor);

// Whether none of these is NaN or infinite. Makes no copy.
bool all_finite(const WeightTensor& tensor);

}  // namespace pnflow
