#include "gpu/peaknet/state_dict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "graph/error.h"

namespace pnflow {

namespace {

static_assert(std::endian::native == std::endian::little, "weights are read where they lie");

struct TypeFacts {
  std::string_view name;
  std::size_t size;
};

constexpr std::array<TypeFacts, 15> types{{{"F64", 8},
                                           {"F32", 4},
                                           {"F16", 2},
                                           {"BF16", 2},
                                           {"F8_E4M3", 1},
                                           {"F8_E5M2", 1},
                                           {"I64", 8},
                                           {"I32", 4},
                                           {"I16", 2},
                                           {"I8", 1},
                                           {"U64", 8},
                                           {"U32", 4},
                                           {"U16", 2},
                                           {"U8", 1},
                                           {"BOOL", 1}}};

float float_of_half(std::uint16_t half) {
  const std::uint32_t exponent = half >> 10U & 0x1fU;
  const std::uint32_t mantissa = half & 0x3ffU;
  const std::uint32_t sign = (half & 0x8000U) << 16U;
  if (exponent == 0) {  // 0 or subnormal: in units of 2^-24
    const float value = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -value : value;
  }
  const std::uint32_t wide = exponent == 0x1f ? 0xffU : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide << 23U | mantissa << 13U);
}

float float_of_bfloat(std::uint16_t value) {
  return std::bit_cast<float>(std::uint32_t{value} << 16U);
}

template <class Stored, class Convert, class Use>
void for_each_stored(std::span<const std::byte> bytes, Convert convert, Use& use) {
  for (std::size_t i = 0; i < bytes.size() / sizeof(Stored); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    use(convert(stored));
  }
}

// Calls use(value) with each value as floats_of() has it.
template <class Use>
void for_each_value(const WeightTensor& tensor, Use use) {
  switch (tensor.type) {
    case WeightType::f64:
      return for_each_stored<double>(
          tensor.bytes, [](double v) { return static_cast<float>(v); }, use);
    case WeightType::f16: return for_each_stored<std::uint16_t>(tensor.bytes, float_of_half, use);
    case WeightType::bf16:
      return for_each_stored<std::uint16_t>(tensor.bytes, float_of_bfloat, use);
    case WeightType::boolean:
      return for_each_stored<std::uint8_t>(
          tensor.bytes, [](std::uint8_t v) { return v != 0 ? 1.0F : 0.0F; }, use);
    default: break;
  }
  for_each_stored<float>(
      tensor.bytes, [](float v) { return v; }, use);
}

bool starts_with_prefix(std::string_view name, std::string_view& prefix) {
  for (const std::string_view known :
       {std::string_view("module."), std::string_view("_orig_mod.")}) {
    if (!name.starts_with(known)) continue;
    prefix = known;
    return true;
  }
  return false;
}

}  // namespace

std::string_view name_of(WeightType type) { return types[static_cast<std::size_t>(type)].name; }

std::size_t size_of(WeightType type) { return types[static_cast<std::size_t>(type)].size; }

std::optional<WeightType> weight_type_named(std::string_view name) {
  const auto* const found = std::ranges::find(types, name, &TypeFacts::name);
  if (found == types.end()) return {};
  return static_cast<WeightType>(found - types.begin());
}

void add_tensor(StateDict& state, std::string_view name, WeightTensor tensor,
                const std::string& file) {
  for (std::string_view prefix; starts_with_prefix(name, prefix);)
    name.remove_prefix(prefix.size());
  const auto control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  if (std::ranges::any_of(name, control)) {
    throw RunError(fmt::format("'{}': a tensor's name has control characters", file));
  }
  if (!state.emplace(name, std::move(tensor)).second) {
    throw RunError(fmt::format("'{}' has two tensors '{}'", file, name));
  }
}

std::vector<float> floats_of(const WeightTensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / size_of(tensor.type));
  float* next = values.data();
  for_each_value(tensor, [&next](float value) { *next++ = value; });
  return values;
}

bool all_finite(const WeightTensor& tensor) {
  bool finite = true;
  for_each_value(tensor, [&finite](float value) { finite &= std::isfinite(value); });
  return finite;
}

}  // namespace pnflow
