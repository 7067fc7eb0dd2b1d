#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "graph/array.h"
#include "io/h5.h"

namespace pnflow::test {

// The bytes of a file. Throws std::runtime_error.
std::vector<std::byte> read_bytes(const std::string& path);

// Paths of msg_0000.bin, msg_0001.bin, ... of a captured set, in order of arrival.
std::vector<std::string> captured_messages(const std::string& set);

// The bytes of a file made by HDF5 itself: `build` gets it open.
std::vector<std::byte> hdf5_file(const std::function<void(hid_t file)>& build,
                                 bool latest_format = false);

// The same with one dataset "/data" of int32 0, 1, 2, ... in the given shape and chunks (none:
// contiguous); `change` may add filters to its creation properties.
std::vector<std::byte> counting_file(
    const std::vector<hsize_t>& shape, const std::vector<hsize_t>& chunk,
    const std::function<void(hid_t properties)>& change = [](hid_t) {}, bool latest_format = false);

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

}  // namespace pnflow::test
