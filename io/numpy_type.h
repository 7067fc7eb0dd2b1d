#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "graph/dtype.h"

namespace pnflow {

// NumPy's element types as their type strings name them (`numpy.dtype.str`): byte order `<`, `>`
// or `|` (not applicable), kind, size.
// (https://numpy.org/doc/stable/reference/arrays.interface.html)
struct NumpyType {
  enum class Kind : std::uint8_t {
    number,      // `u i f` of 1 to 8 bytes, and `b1`, which is read as u8
    bytes,       // `S20`: text of one byte per character, filled up with zeros
    characters,  // `U20`: text of 32-bit code points, filled up with zeros
  };

  Kind kind = Kind::number;
  DType dtype = DType::u8;  // u8 for text
  std::size_t bytes = 1;    // of one element, at least 1
  bool swapped = false;     // stored in the other byte order than this machine's

  bool is_text() const { return kind != Kind::number; }
};

// The type that a type string names. Throws DataError("wrong dtype"), which quotes the string, for
// what no array of a message is made of: objects, complex and half-precision numbers, structures,
// dates. Thread-safe, as the others here.
NumpyType numpy_type(std::string_view name);

// Copies whole numbers, `out.size()` bytes of them, into native byte order. `stored` is as long as
// `out` and need not be aligned. `type` is a number.
void copy_numbers(const NumpyType& type, std::span<const std::byte> stored,
                  std::span<std::byte> out);

// One element of a type that is text, without the zeros at its end, as UTF-8.
// Throws DataError("damaged chunk") when that is not text.
std::string numpy_text(const NumpyType& type, std::span<const std::byte> element);

}  // namespace pnflow
