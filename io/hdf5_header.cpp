#include "io/hdf5_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "graph/error.h"
#include "io/byte_order.h"

namespace pnflow {
namespace {

using ConstBytes = std::span<const std::byte>;

constexpr unsigned dataspace_message = 0x0001;
constexpr unsigned layout_message = 0x0008;
constexpr unsigned continuation_message = 0x0010;
constexpr unsigned group_message = 0x0011;
constexpr unsigned shared_flag = 2;
constexpr std::size_t prefix_bytes = 16;
constexpr std::size_t message_header_bytes = 8;
constexpr std::size_t max_blocks = 256;  // a header in more pieces than this leads in circles

[[noreturn]] void damaged(const std::string& what) { throw DataError("damaged metadata", what); }

ConstBytes part(ConstBytes bytes, std::uint64_t offset, std::uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) {
    damaged(fmt::format("{} bytes at {} of {}", size, offset, bytes.size()));
  }
  return bytes.subspan(offset, size);
}

unsigned byte_at(ConstBytes bytes, std::size_t at) {
  return std::to_integer<unsigned>(part(bytes, at, 1)[0]);
}

struct Extents {
  std::size_t at = 0;
  unsigned count = 0;
};

// Where a data layout message keeps its chunk extents, four bytes each; nothing when the data are
// not chunked, or the version is one that only stands in headers of version 2.
std::optional<Extents> chunk_extents(ConstBytes message) {
  constexpr unsigned chunked = 2;
  switch (byte_at(message, 0)) {
    case 1:
    case 2:
      if (byte_at(message, 2) != chunked) return std::nullopt;
      return Extents{16, byte_at(message, 1)};
    case 3:
      if (byte_at(message, 1) != chunked) return std::nullopt;
      return Extents{11, byte_at(message, 2)};
    default: damaged("data layout of an unexpected version");
  }
}

// A chunk has one extent for each axis and one for the element.
void check_layout(ConstBytes message, unsigned& extents_found) {
  const auto extents = chunk_extents(message);
  if (!extents) return;
  extents_found = std::min(extents_found, extents->count);
  for (unsigned i = 0; i < extents->count; ++i) {
    if (little_endian<std::uint32_t>(part(message, extents->at + std::size_t{4} * i, 4)) == 0) {
      damaged("chunks of no extent");
    }
  }
}

// The local heap that holds the names of a group. Its free blocks are a list of (offset of the
// next, size) in the heap's data.
void check_heap(ConstBytes file, std::uint64_t address) {
  constexpr std::uint64_t end_of_list = 1;
  constexpr std::size_t block_bytes = 16;
  const ConstBytes heap = part(file, address, 32);
  const auto size = little_endian<std::uint64_t>(heap.subspan(8));
  const ConstBytes data = part(file, little_endian<std::uint64_t>(heap.subspan(24)), size);
  auto next = little_endian<std::uint64_t>(heap.subspan(16));
  for (std::size_t left = data.size() / block_bytes; next != end_of_list; --left) {
    if (left == 0) damaged("the free list of a heap leads in circles");
    next = little_endian<std::uint64_t>(part(data, next, block_bytes));
  }
}

}  // namespace

void check_root_group(ConstBytes file) {
  const unsigned version = byte_at(file, 8);
  if (version >= 2) {
    check_object_header(file, little_endian<std::uint64_t>(part(file, 36, 8)));
    return;
  }
  // The symbol table entry of the root group: name, header, kind of cache, and with kind 1 the
  // addresses of B-tree and heap once more.
  constexpr unsigned cached_group = 1;
  const ConstBytes entry = part(file, version == 0 ? 56 : 60, 40);
  check_object_header(file, little_endian<std::uint64_t>(entry.subspan(8)));
  if (little_endian<std::uint32_t>(entry.subspan(16)) == cached_group) {
    check_heap(file, little_endian<std::uint64_t>(entry.subspan(32)));
  }
}

void check_object_header(ConstBytes file, std::uint64_t address) {
  const ConstBytes prefix = part(file, address, prefix_bytes);
  if (byte_at(prefix, 0) != 1) return;
  std::vector<ConstBytes> blocks = {
      part(file, address + prefix_bytes, little_endian<std::uint32_t>(prefix.subspan(8)))};
  unsigned axes = 0;
  unsigned extents = std::numeric_limits<unsigned>::max();
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    ConstBytes rest = blocks[b];
    while (rest.size() >= message_header_bytes) {
      const unsigned type = little_endian<std::uint16_t>(rest);
      const std::size_t size = little_endian<std::uint16_t>(rest.subspan(2));
      const ConstBytes message = part(rest, message_header_bytes, size);
      const bool shared = (byte_at(rest, 4) & shared_flag) != 0;
      if (type == dataspace_message) {
        if (shared) damaged("a dataspace kept elsewhere");
        axes = std::max(axes, byte_at(message, 1));
      }
      if (type == group_message) {
        check_heap(file, little_endian<std::uint64_t>(part(message, 8, 8)));
      }
      if (type == layout_message) check_layout(message, extents);
      if (type == continuation_message) {
        if (blocks.size() == max_blocks) damaged("too many pieces");
        const ConstBytes place = part(message, 0, 16);
        blocks.push_back(part(file, little_endian<std::uint64_t>(place),
                              little_endian<std::uint64_t>(place.subspan(8))));
      }
      rest = rest.subspan(message_header_bytes + size);
    }
  }
  if (axes >= extents) damaged(fmt::format("{} axes, chunks of {} extents", axes, extents));
}

}  // namespace pnflow
