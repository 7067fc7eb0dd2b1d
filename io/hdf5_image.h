#pragma once

#include <cstddef>
#include <span>

#include "io/h5.h"

namespace pnflow {

// Whether the bytes begin like an HDF5 file. Reads eight bytes.
bool looks_like_hdf5(std::span<const std::byte> bytes);

// A whole HDF5 file in memory, opened where it lies: nothing is copied, nothing is written, and an
// address in the file is an offset in `bytes`, which must outlive this object.
class Hdf5Image {
 public:
  // Throws DataError("not HDF5"), DataError("truncated"), DataError("damaged metadata").
  explicit Hdf5Image(std::span<const std::byte> bytes);
  ~Hdf5Image();
  Hdf5Image(const Hdf5Image&) = delete;
  Hdf5Image& operator=(const Hdf5Image&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  hid_t file() const { return file_.get(); }

 private:
  std::span<const std::byte> bytes_;  // HDF5's callbacks point here, so it comes before file_
  h5::File file_;
};

}  // namespace pnflow
