#include "io/hdf5_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "graph/error.h"
#include "io/byte_order.h"
#include "io/hdf5_datatype_check.h"

namespace pnflow {
namespace {

using ConstBytes = std::span<const std::byte>;

constexpr unsigned dataspace_message = 0x0001;
constexpr unsigned datatype_message = 0x0003;
constexpr unsigned old_fill_message = 0x0004;
constexpr unsigned fill_message = 0x0005;
constexpr unsigned layout_message = 0x0008;
constexpr unsigned filter_message = 0x000b;
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

// Bytes behind a number of four bytes that says how many they are.
void check_counted(ConstBytes message, std::size_t at) {
  part(message, at + 4, little_endian<std::uint32_t>(part(message, at, 4)));
}

void check_fill(ConstBytes message) {
  constexpr unsigned has_value = 0x20;
  const unsigned version = byte_at(message, 0);
  if (version < 3) {
    const bool is_defined = version == 1 || byte_at(message, 3) != 0;
    // A negative size stands for a value that is not defined.
    if (is_defined && little_endian<std::uint32_t>(part(message, 4, 4)) < 1U << 31U) {
      check_counted(message, 4);
    }
  } else if ((byte_at(message, 1) & has_value) != 0) {
    check_counted(message, 2);
  }
}

void check_dataspace(ConstBytes message) {
  constexpr unsigned has_maximum = 1;
  const std::size_t extents = std::size_t{8} * byte_at(message, 1);
  const bool twice = (byte_at(message, 2) & has_maximum) != 0;
  part(message, byte_at(message, 0) < 2 ? 8 : 4, twice ? 2 * extents : extents);
}

// HDF5 looks for the end of a filter's name without looking for the end of the message.
void check_filters(ConstBytes message) {
  constexpr unsigned first_registered = 256;  // below, version 2 leaves the name out
  const bool first_version = byte_at(message, 0) < 2;
  const unsigned filters = byte_at(message, 1);
  std::size_t at = first_version ? 8 : 2;
  const auto number = [&] {
    at += 2;
    return std::size_t{little_endian<std::uint16_t>(part(message, at - 2, 2))};
  };
  for (unsigned i = 0; i < filters; ++i) {
    const std::size_t id = number();
    const std::size_t name_bytes = first_version || id >= first_registered ? number() : 0;
    number();  // flags
    const std::size_t values = number();
    const ConstBytes name = part(message, at, name_bytes);
    if (!name.empty() && std::ranges::find(name, std::byte{0}) == name.end()) {
      damaged("the name of a filter has no end");
    }
    at += name_bytes;
    part(message, at, 4 * values);
    at += 4 * (values + (first_version ? values % 2 : 0));
  }
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

// Data that lie inside of the message.
void check_compact(ConstBytes message) {
  constexpr unsigned compact = 0;
  if (byte_at(message, 0) == 3) {
    if (byte_at(message, 1) != compact) return;
    part(message, 4, little_endian<std::uint16_t>(part(message, 2, 2)));
  } else if (byte_at(message, 2) == compact) {
    check_counted(message, 8 + std::size_t{4} * byte_at(message, 1));
  }
}

// A chunk has one extent for each axis and one for the element.
void check_layout(ConstBytes message, unsigned& extents_found) {
  // The one layout of a newer version that stands in old headers too: a virtual dataset's, which is
  // an address and an index.
  constexpr unsigned virtual_version = 4, virtual_class = 3;
  if (byte_at(message, 0) == virtual_version && byte_at(message, 1) == virtual_class) {
    part(message, 2, 12);
    return;
  }
  check_compact(message);
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
  // HDF5 compares names up to their end, wherever that is.
  if (!data.empty() && data.back() != std::byte{0}) damaged("the last name of a heap has no end");
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
        check_dataspace(message);
        axes = std::max(axes, byte_at(message, 1));
      }
      if (type == datatype_message && !shared) check_datatype(message);
      if (type == old_fill_message && !shared) check_counted(message, 0);
      if (type == fill_message && !shared) check_fill(message);
      if (type == filter_message && !shared) check_filters(message);
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
