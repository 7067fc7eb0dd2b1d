#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace pnflow {

// An intermediate result of a network: steps are counted in the order in which they run.
struct Lifetime {
  std::size_t bytes = 0;
  std::size_t first = 0;  // the step that writes it
  std::size_t last = 0;   // the last step that reads it, or `first`
};

// Where intermediate results lie in one block of memory.
struct MemoryPlan {
  static constexpr std::size_t alignment = 256;  // of each, in bytes, as cudaMalloc's
  // What something of so many bytes takes up.
  static constexpr std::size_t room_of(std::size_t bytes) {
    return (bytes + alignment - 1) / alignment * alignment;
  }
  std::vector<std::size_t> offsets;  // in the order of the lifetimes
  std::size_t bytes = 0;             // of the block
};

// Gives each result a place of its own from its first step to its last. Two results share memory
// only if their lives have no step in common, so that no step reads what it overwrites. The
// largest are placed first, each in the lowest gap that is free all its life. Throws
// std::invalid_argument: a life that ends before it begins.
MemoryPlan plan_memory(std::span<const Lifetime> lifetimes);

}  // namespace pnflow
