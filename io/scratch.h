#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace pnflow {

// A working buffer that grows and never shrinks; for one thread (make it thread_local).
class Scratch {
 public:
  // `bytes` bytes with undefined contents, valid until the next call. Throws std::bad_alloc.
  std::span<std::byte> take(std::size_t bytes) {
    if (bytes > capacity_) {
      buffer_.reset();
      capacity_ = 0;
      buffer_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
      capacity_ = bytes;
    }
    return {buffer_.get(), bytes};
  }

 private:
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
};

}  // namespace pnflow
