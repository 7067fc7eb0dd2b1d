#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "io/atomic_file.h"
#include "io/h5.h"

namespace pnflow::h5 {

// An HDF5 file that is being written, in pieces that never hold HDF5's lock while a disk is slow.
//
// HDF5 reaches the file through a driver of ours (H5FD, the "virtual file layer" of the HDF5
// reference manual), for three reasons. The bytes of a chunk are written after HDF5 has said where
// they go and has let go of its lock, and so is what HDF5 writes for itself (check() does that). A
// failed write keeps its path and errno. And HDF5 itself never sees one: with the stock driver a
// file on a full disk cannot be closed any more, and its identifiers poison the end of the process.
// Nor does HDF5 lock the file, which some parallel file systems refuse.
//
// For one thread at a time. Errors are DataError("write").
class Output {
 public:
  // `file` is empty and outlives this object.
  explicit Output(AtomicFile& file);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  hid_t id() const { return file_.get(); }

  // Writes the chunk of `dataset` that begins at `origin`; `stored` is as the dataset's filters
  // leave it.
  void write_chunk(hid_t dataset, std::span<const hsize_t> origin,
                   std::span<const std::byte> stored);

  // Writes what HDF5's last calls left to be written. Throws the first error of writing, if there
  // was one; otherwise, unless `done`, what HDF5 says about its last call. `what` names the object
  // that the call was about.
  void check(bool done, std::string_view what) const;

  // Hands everything to the file and closes it. All datasets and groups must be closed.
  void close();

 private:
  struct Stream;
  friend struct Driver;

  std::unique_ptr<Stream> stream_;
  File file_;
};

}  // namespace pnflow::h5
