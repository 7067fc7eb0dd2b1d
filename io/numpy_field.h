#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "io/message_reader.h"
#include "io/numpy_type.h"

namespace pnflow {

// An array of a message whose elements are NumPy's and lie one behind the other in C order.
class NumpyField final : public MessageField {
 public:
  // All bytes of the array, as many as shape and type say. Asked for by every read, from any
  // thread; throws DataError when they cannot be had.
  using Data = std::function<std::span<const std::byte>()>;

  struct Description {
    std::string name;
    NumpyType type;
    Shape shape;
    std::string storage;
    std::size_t stored_bytes;  // compressed as they are
  };

  // Throws DataError("implausible size") when the shape's bytes overflow.
  NumpyField(Description description, Data data);

  const std::string& name() const override { return description_.name; }
  DType dtype() const override { return description_.type.dtype; }
  const Shape& shape() const override { return description_.shape; }
  void read(std::size_t index, std::span<std::byte> out) const override;
  std::size_t entries_at_once() const override { return entries_; }
  std::span<const std::byte> in_place(std::size_t first, std::size_t count) const override;
  bool is_text() const override { return description_.type.is_text(); }
  std::string text(std::size_t index) const override;
  std::string storage() const override { return description_.storage; }
  std::optional<std::size_t> stored_bytes() const override { return description_.stored_bytes; }

 private:
  // Bytes `index * size` to `(index + 1) * size` of the array, whose errors get its name.
  std::span<const std::byte> entry(std::size_t index, std::size_t size) const;

  Description description_;
  Data data_;
  std::size_t elements_ = 0;
  std::size_t entries_ = 1;  // of the first axis
  std::size_t entry_bytes_ = 0;
};

}  // namespace pnflow
