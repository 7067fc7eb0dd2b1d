#include "graph/dtype.h"

#include <array>
#include <string_view>

namespace pnflow {

namespace {

constexpr std::array<std::string_view, 10> names = {
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"};

}  // namespace

std::size_t size_of(DType dtype) {
  return dispatch(dtype, [](auto element) { return sizeof element; });
}

std::string_view name_of(DType dtype) { return names[static_cast<std::size_t>(dtype)]; }

std::optional<DType> dtype_named(std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<DType>(i);
  }
  return {};
}

}  // namespace pnflow
