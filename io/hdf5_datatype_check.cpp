#include "io/hdf5_datatype_check.h"

#include <algorithm>
#include <cstdint>

#include "graph/error.h"
#include "io/byte_cursor.h"

namespace pnflow {
namespace {

constexpr unsigned max_depth = 16;

// One walk along a message.
class DatatypeWalk {
 public:
  explicit DatatypeWalk(std::span<const std::byte> message)
      : cursor_(message, "damaged metadata") {}

  // Passes over one type; returns the size of its elements.
  std::uint32_t type(unsigned depth) {
    if (depth > max_depth) throw DataError("damaged metadata", "a type of too many levels");
    const auto head = cursor_.number<std::uint32_t>();
    const auto size = cursor_.number<std::uint32_t>();
    const unsigned version = head >> 4U & 0xfU;
    const unsigned flags = head >> 8U;
    switch (head & 0xfU) {
      case 0:
      case 4: cursor_.take(4); break;              // integers, bit fields
      case 1: cursor_.take(12); break;             // floating point
      case 2: cursor_.take(2); break;              // times
      case 5: cursor_.take(flags & 0xffU); break;  // opaque: a tag
      case 6: compound(version, flags & 0xffffU, size, depth); break;
      case 8: enumeration(version, flags & 0xffffU, depth); break;
      case 9: type(depth + 1); break;  // of variable length
      case 10: array(version, depth); break;
      default: break;  // texts and references have nothing more
    }
    return size;
  }

 private:
  void name(unsigned version) {
    constexpr std::size_t padding = 8;
    std::size_t length = 1;
    while (cursor_.number<std::uint8_t>() != 0) ++length;
    if (version < 3) cursor_.take((padding - length % padding) % padding);
  }

  void compound(unsigned version, unsigned members, std::uint32_t size, unsigned depth) {
    constexpr std::size_t old_dimensions = 28;  // of members of version 1
    std::size_t offset_bytes = 4;
    if (version >= 3) {
      offset_bytes = 1;
      for (std::uint32_t rest = size >> 8U; rest != 0; rest >>= 8U) ++offset_bytes;
    }
    for (unsigned i = 0; i < members; ++i) {
      name(version);
      cursor_.take(offset_bytes);
      if (version == 1) cursor_.take(old_dimensions);
      type(depth + 1);
    }
  }

  void enumeration(unsigned version, unsigned members, unsigned depth) {
    const std::uint64_t value_bytes = type(depth + 1);
    for (unsigned i = 0; i < members; ++i) name(version);
    cursor_.take(value_bytes * members);
  }

  void array(unsigned version, unsigned depth) {
    const auto axes = cursor_.number<std::uint8_t>();
    // Version 2 has a permutation of the axes beside their extents.
    cursor_.take(version < 3 ? 3 + std::size_t{8} * axes : std::size_t{4} * axes);
    type(depth + 1);
  }

  ByteCursor cursor_;
};

}  // namespace

void check_datatype(std::span<const std::byte> message) { DatatypeWalk(message).type(0); }

}  // namespace pnflow
