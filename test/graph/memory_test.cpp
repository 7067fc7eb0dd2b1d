#include "graph/memory.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <new>
#include <vector>

using pnflow::BlockPool;

namespace {

struct Backing {
  static constexpr std::align_val_t alignment{64};
  int acquired = 0, released = 0;
  bool full = false;
  BlockPool pool() {
    return {[this](std::size_t bytes) {
              if (full) throw std::bad_alloc();
              ++acquired;
              return static_cast<std::byte*>(::operator new(bytes, alignment));
            },
            [this](std::byte* block, std::size_t) {
              ++released;
              ::operator delete(block, alignment);
            }};
  }
};

}  // namespace

TEST_CASE("a returned block serves the next request of its size class") {
  Backing backing;
  {
    BlockPool pool = backing.pool();
    const std::byte* first = pool.allocate(1000).get();
    CHECK(pool.allocate(1024).get() == first);
    CHECK(backing.acquired == 1);
    CHECK(pool.bytes_held() == 1024);
    const auto kept = pool.allocate(1000);
    CHECK(pool.allocate(1000) != kept);
    CHECK(backing.acquired == 2);
  }
  CHECK(backing.released == 2);
}

TEST_CASE("a block outlives its pool") {
  Backing backing;
  std::shared_ptr<std::byte> block;
  {
    BlockPool pool = backing.pool();
    block = pool.allocate(100);
  }
  CHECK(backing.released == 0);
  block.get()[99] = std::byte{1};
  block.reset();
  CHECK(backing.released == 1);
}

TEST_CASE("blocks are aligned to 64 bytes and as large as asked for") {
  const auto pool = pnflow::heap_pool();
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, std::size_t{65}, std::size_t{97}, std::size_t{100'000}}) {
    const auto block = pool->allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(block.get()) % 64 == 0);
    std::fill_n(block.get(), bytes, std::byte{7});  // a sanitizer sees it if too small
  }
}

TEST_CASE("large blocks begin where a huge page can") {
  const auto pool = pnflow::heap_pool();
  const std::size_t huge = std::size_t{2} << 20U;
  for (const std::size_t bytes : {huge, huge + 1, 5 * huge}) {
    const auto block = pool->allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(block.get()) % huge == 0);
    std::fill_n(block.get(), bytes, std::byte{7});
  }
}

TEST_CASE("an allocator that refuses leaves the pool's account as it was") {
  Backing backing;
  BlockPool pool = backing.pool();
  backing.full = true;
  CHECK_THROWS_AS(pool.allocate(10), std::bad_alloc);
  CHECK(pool.bytes_held() == 0);
}
