#include "io/numpy_field.h"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "graph/error.h"
#include "io/npy_header.h"

namespace pnflow {

NumpyField::NumpyField(Description description, Data data)
    : description_(std::move(description)), data_(std::move(data)) {
  const Shape& shape = description_.shape;
  elements_ = elements_of(shape);
  entry_bytes_ = numpy_bytes(description_.type, shape);
  if (shape.empty()) return;
  entries_ = shape[0];
  if (entries_ > 0) entry_bytes_ /= entries_;
}

std::span<const std::byte> NumpyField::entry(std::size_t index, std::size_t size) const {
  try {
    return data_().subspan(index * size, size);
  } catch (const DataError& error) {
    throw DataError(error.reason(), fmt::format("{}: {}", name(), error.detail()));
  }
}

void NumpyField::read(std::size_t index, std::span<std::byte> out) const {
  if (is_text()) throw DataError("wrong dtype", fmt::format("{} is text, not numbers", name()));
  if (index >= entries_) {
    throw std::out_of_range(fmt::format("entry {} of {} in {}", index, entries_, name()));
  }
  if (out.size() != entry_bytes_) {
    throw std::invalid_argument(
        fmt::format("{} bytes for an entry of {} in {}", out.size(), entry_bytes_, name()));
  }
  if (out.empty()) return;
  copy_numbers(description_.type, entry(index, entry_bytes_), out);
}

std::span<const std::byte> NumpyField::in_place(std::size_t first, std::size_t count) const {
  const bool inside = first < entries_ && count <= entries_ - first;
  if (is_text() || description_.type.swapped || !inside) return {};
  try {
    return data_().subspan(first * entry_bytes_, count * entry_bytes_);
  } catch (const DataError&) {
    return {};  // what is wrong with them is read()'s to say
  }
}

std::string NumpyField::text(std::size_t index) const {
  if (!is_text()) return MessageField::text(index);
  if (index >= elements_) {
    throw std::out_of_range(fmt::format("text {} of {} in {}", index, elements_, name()));
  }
  return numpy_text(description_.type, entry(index, description_.type.bytes));
}

}  // namespace pnflow
