#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "graph/memory.h"

namespace pnflow {

// A working buffer that grows and never shrinks; for one thread (make it thread_local). A large one
// is a block of heap_pool(), in huge pages; a small one is as long as was asked for, so that a
// sanitizer sees who goes beyond.
class Scratch {
 public:
  // `bytes` bytes with undefined contents, valid until the next call. Throws std::bad_alloc.
  std::span<std::byte> take(std::size_t bytes) {
    if (bytes > capacity_) {
      block_.reset();
      capacity_ = 0;
      block_ = bytes < large ? std::shared_ptr<std::byte>(new std::byte[bytes],
                                                          std::default_delete<std::byte[]>())
                             : heap_pool()->allocate(bytes);
      capacity_ = bytes;
    }
    return {block_.get(), bytes};
  }

 private:
  static constexpr std::size_t large = std::size_t{2} << 20U;

  std::shared_ptr<std::byte> block_;
  std::size_t capacity_ = 0;
};

// What make(out) puts into `bound` bytes of working memory, which the result does not hold; make
// returns how many they are.
template <class Make>
std::vector<std::byte> made_in_scratch(std::size_t bound, const Make& make) {
  thread_local Scratch scratch;
  const std::span<std::byte> out = scratch.take(bound);
  const std::span<std::byte> made = out.first(make(out));
  return {made.begin(), made.end()};
}

}  // namespace pnflow
