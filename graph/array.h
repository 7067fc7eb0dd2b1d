#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/dtype.h"
#include "graph/export.h"
#include "graph/memory.h"

namespace pnflow {

// Extents, slowest axis first. For a field of events the first axis is the event.
using Shape = std::vector<std::size_t>;

// "3x176x192"
PNFLOW_API std::string to_string(const Shape& shape);

// Product of the extents (1 for a scalar). Throws DataError("implausible size") when it overflows.
PNFLOW_API std::size_t elements_of(const Shape& shape);

// An n-dimensional array in C order, immutable, sharing its storage: copying one is cheap.
// Safe to read from any number of threads.
class PNFLOW_API Array {
 public:
  Array() = default;
  // `data` must hold elements_of(shape) * size_of(dtype) bytes; it may be anything that a
  // shared_ptr can own (a pool's block, a socket's message, a mapped file). It need not be aligned
  // to more than its element size.
  Array(DType dtype, Shape shape, std::shared_ptr<const std::byte> data);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::size_t rank() const { return shape_.size(); }
  std::size_t elements() const { return elements_; }
  std::size_t bytes() const { return elements_ * size_of(dtype_); }
  std::span<const std::byte> raw() const { return {data_.get(), bytes()}; }
  const std::shared_ptr<const std::byte>& storage() const { return data_; }

  // All elements as T. Throws DataError("wrong dtype") when T is not the array's type.
  template <class T>
  std::span<const T> as() const {
    require(dtype_of<T>);
    return {reinterpret_cast<const T*>(data_.get()), elements_};
  }

  // `count` entries of the leading axis from `first` on; shares the storage.
  // Throws std::out_of_range.
  Array slice(std::size_t first, std::size_t count) const;
  // Entry `index` of the leading axis, without that axis.
  Array at(std::size_t index) const;
  // The same elements under another shape. Throws DataError("wrong shape") unless as many.
  Array reshaped(Shape shape) const;

 private:
  void require(DType wanted) const;

  DType dtype_ = DType::u8;
  Shape shape_{0};
  std::size_t elements_ = 0;
  std::shared_ptr<const std::byte> data_;
};

// The one way to write an array: make it, fill it, freeze it. Not shared until frozen.
class PNFLOW_API MutableArray {
 public:
  // Contents undefined. Throws std::bad_alloc, DataError("implausible size").
  MutableArray(MemoryPool& pool, DType dtype, Shape shape);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::size_t elements() const { return elements_; }
  std::span<std::byte> raw() { return {data_.get(), elements_ * size_of(dtype_)}; }
  // Throws DataError("wrong dtype") when T is not the array's type.
  template <class T>
  std::span<T> as() {
    require(dtype_of<T>);
    return {reinterpret_cast<T*>(data_.get()), elements_};
  }
  // Bytes of entry `index` of the leading axis. Throws std::out_of_range.
  std::span<std::byte> raw_at(std::size_t index);

  Array freeze() &&;

 private:
  void require(DType wanted) const;

  DType dtype_;
  Shape shape_;
  std::size_t elements_;
  std::shared_ptr<std::byte> data_;
};

// An array of a vector's elements (copied into `pool`), shape {values.size()}.
template <class T>
Array array_of(MemoryPool& pool, const std::vector<T>& values) {
  MutableArray array(pool, dtype_of<T>, {values.size()});
  std::ranges::copy(values, array.as<T>().begin());
  return std::move(array).freeze();
}

}  // namespace pnflow
