#include "io/named_array.h"

#include <fmt/format.h>

#include <bit>
#include <stdexcept>

namespace pnflow {

static_assert(std::endian::native == std::endian::little, "formats are little endian");

void check_named_array(const NamedArray& array) {
  const std::size_t bytes = elements_of(array.shape) * size_of(array.dtype);
  if (array.shape.empty() || bytes == 0 || bytes != array.data.size()) {
    throw std::invalid_argument(fmt::format("{}: {} bytes for shape {}", array.name,
                                            array.data.size(), to_string(array.shape)));
  }
}

std::string numpy_descr(DType dtype) {
  const std::size_t bytes = size_of(dtype);
  return fmt::format("{}{}{}", bytes == 1 ? '|' : '<', name_of(dtype).front(), bytes);
}

}  // namespace pnflow
