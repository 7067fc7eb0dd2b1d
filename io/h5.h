#pragma once

#include <hdf5.h>

#include <mutex>
#include <utility>

// Thin RAII over HDF5's C interface, for sources inside io/ only.
//
// HDF5 has one global lock: each call takes it, and a long call (a read or write through a filter)
// stalls every other thread that uses HDF5. So pixels are compressed and decompressed outside, and
// HDF5 is asked only where they lie.
namespace pnflow::h5 {

// An identifier and the function that closes it. Movable, closes on destruction.
template <herr_t (*close_function)(hid_t)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      id_ = std::exchange(other.id_, H5I_INVALID_HID);
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }
  // Closes now; false when HDF5 reports that the closing failed (a file that could not be flushed).
  bool reset() {
    const hid_t id = std::exchange(id_, H5I_INVALID_HID);
    return id < 0 || close_function(id) >= 0;
  }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

using File = Handle<H5Fclose>;
using Group = Handle<H5Gclose>;
using Dataset = Handle<H5Dclose>;
using Dataspace = Handle<H5Sclose>;
using Datatype = Handle<H5Tclose>;
using Attribute = Handle<H5Aclose>;
using Object = Handle<H5Oclose>;
using Properties = Handle<H5Pclose>;

// Keeps HDF5 from printing its error stack while it lives. The setting belongs to the calling
// thread, and what it was before is put back, so code elsewhere keeps its own.
class SilentErrors {
 public:
  SilentErrors() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~SilentErrors() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  SilentErrors(const SilentErrors&) = delete;
  SilentErrors& operator=(const SilentErrors&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

// While it lives, no other thread that takes turns calls HDF5. Not needed for safety: threads that
// make many short calls at the same time hand HDF5's lock over at each of them, which takes longer
// than the calls. To be held for metadata only.
class Turn {
 public:
  Turn() : lock_(mutex()) {}

 private:
  static std::recursive_mutex& mutex() {
    static std::recursive_mutex mutex;
    return mutex;
  }

  std::lock_guard<std::recursive_mutex> lock_;
};

}  // namespace pnflow::h5
