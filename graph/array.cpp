#include "graph/array.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>

#include "graph/error.h"

namespace pnflow {

namespace {

void require_dtype(DType have, DType wanted) {
  if (have != wanted) {
    throw DataError("wrong dtype",
                    fmt::format("expected {}, found {}", name_of(wanted), name_of(have)));
  }
}

std::size_t checked_bytes(DType dtype, const Shape& shape) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(elements_of(shape), size_of(dtype), &bytes)) {
    throw DataError("implausible size", fmt::format("{} {}", to_string(shape), name_of(dtype)));
  }
  return bytes;
}

// Bytes of one entry of the leading axis.
std::size_t entry_bytes(DType dtype, const Shape& shape, std::size_t elements) {
  if (shape.empty()) throw std::out_of_range("a scalar array has no leading axis");
  return shape[0] == 0 ? 0 : elements / shape[0] * size_of(dtype);
}

void require_entries(const Shape& shape, std::size_t first, std::size_t count) {
  if (shape.empty() || first > shape[0] || count > shape[0] - first) {
    throw std::out_of_range(
        fmt::format("entries {} to {} of an array {}", first, first + count, to_string(shape)));
  }
}

}  // namespace

std::string to_string(const Shape& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

std::size_t elements_of(const Shape& shape) {
  std::size_t elements = 1;
  for (const std::size_t extent : shape) {
    if (__builtin_mul_overflow(elements, extent, &elements)) {
      throw DataError("implausible size", to_string(shape) + " elements");
    }
  }
  return elements;
}

Array::Array(DType dtype, Shape shape, std::shared_ptr<const std::byte> data)
    : dtype_(dtype),
      shape_(std::move(shape)),
      elements_(elements_of(shape_)),
      data_(std::move(data)) {}

Array Array::slice(std::size_t first, std::size_t count) const {
  require_entries(shape_, first, count);
  const std::size_t offset = first * entry_bytes(dtype_, shape_, elements_);
  Shape shape = shape_;
  shape[0] = count;
  return {dtype_, std::move(shape), std::shared_ptr<const std::byte>(data_, data_.get() + offset)};
}

Array Array::at(std::size_t index) const {
  Array one = slice(index, 1);
  one.shape_.erase(one.shape_.begin());
  return one;
}

Array Array::reshaped(Shape shape) const {
  if (elements_of(shape) != elements_) {
    throw DataError("wrong shape", fmt::format("{} elements of {} cannot be {}", elements_,
                                               to_string(shape_), to_string(shape)));
  }
  return {dtype_, std::move(shape), data_};
}

void Array::require(DType wanted) const { require_dtype(dtype_, wanted); }

MutableArray::MutableArray(MemoryPool& pool, DType dtype, Shape shape)
    : dtype_(dtype),
      shape_(std::move(shape)),
      elements_(elements_of(shape_)),
      data_(pool.allocate(checked_bytes(dtype_, shape_))) {}

std::span<std::byte> MutableArray::raw_at(std::size_t index) {
  require_entries(shape_, index, 1);
  const std::size_t bytes = entry_bytes(dtype_, shape_, elements_);
  return raw().subspan(index * bytes, bytes);
}

Array MutableArray::freeze() && { return {dtype_, std::move(shape_), std::move(data_)}; }

void MutableArray::require(DType wanted) const { require_dtype(dtype_, wanted); }

}  // namespace pnflow
