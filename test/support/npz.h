#pragma once

#include <cstddef>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "graph/array.h"

namespace pnflow::test {

// One array of a NumPy archive, in C order.
struct NpyArray {
  std::string descr;  // NumPy's type string: "<u2", "<f8", "<U10"
  Shape shape;
  std::vector<std::byte> bytes;

  // The elements as T; throws when their size is another.
  template <class T>
  std::vector<T> as() const {
    std::vector<T> values(elements_of(shape));
    if (values.size() * sizeof(T) != bytes.size()) throw std::runtime_error("not of type " + descr);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  // The text of a "<U" scalar, when it is ASCII.
  std::string text() const;
};

// Every array of an .npz file, stored or deflated, by name without ".npy".
// Throws std::runtime_error.
std::map<std::string, NpyArray> read_npz(const std::string& path);

}  // namespace pnflow::test
