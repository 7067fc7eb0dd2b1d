#include "io/npz_member.h"

#include <fmt/format.h>
#include <libdeflate.h>

#include <array>
#include <vector>

#include "graph/memory.h"
#include "io/raw_deflate.h"

namespace pnflow {

NpzMember::NpzMember(const ZipMember& member, std::size_t max_bytes) : member_(member) {
  if (member_.encrypted) throw DataError("unsupported layout", "the member is encrypted");
  if (!is_stored() && member_.method != ZipMember::deflate_method) {
    throw DataError(fmt::format("unknown filter {}", member_.method), "ZIP compression method");
  }
  if (is_stored() && member_.size != member_.data.size()) {
    throw DataError("damaged metadata",
                    fmt::format("{} bytes stored as {}", member_.size, member_.data.size()));
  }
  if (member_.size / codecs::max_deflate_ratio > member_.data.size()) {
    throw DataError("implausible size",
                    fmt::format("{} bytes deflated to {}", member_.size, member_.data.size()));
  }
  header_ = read_header();
  const auto shape = to_string(header_.shape);
  // What is stored is read where it lies.
  const bool is_there = is_stored() && header_.data_bytes <= member_.size;
  if (header_.data_bytes > max_bytes && !is_there) {
    throw DataError("implausible size", fmt::format("{} takes {} bytes, {} are allowed", shape,
                                                    header_.data_bytes, max_bytes));
  }
  if (member_.size != header_.header_bytes + header_.data_bytes) {
    throw DataError("wrong shape",
                    fmt::format("{} takes {} bytes behind a header of {}, there are {}", shape,
                                header_.data_bytes, header_.header_bytes, member_.size));
  }
}

NpyHeader NpzMember::read_header() const {
  if (is_stored()) return parse_npy_header(member_.data);
  std::array<std::byte, npy_prefix_bytes> prefix;
  const std::size_t known = codecs::inflate_raw_beginning(member_.data, prefix);
  std::vector<std::byte> header(npy_header_bytes(std::span(prefix).first(known)));
  header.resize(codecs::inflate_raw_beginning(member_.data, header));
  return parse_npy_header(header);
}

std::span<const std::byte> NpzMember::checked_content() const {
  std::span<const std::byte> content = member_.data;
  if (!is_stored()) {
    inflated_ = heap_pool()->allocate(member_.size);
    const std::span<std::byte> room(inflated_.get(), member_.size);
    codecs::inflate_raw(member_.data, room);
    content = room;
  }
  const std::uint32_t sum = libdeflate_crc32(0, content.data(), content.size());
  if (sum != member_.crc32) {
    throw DataError("wrong checksum", fmt::format("{:08x}, expected {:08x}", sum, member_.crc32));
  }
  return content;
}

std::span<const std::byte> NpzMember::data() const {
  std::call_once(once_, [this] {
    try {
      content_ = checked_content();
    } catch (const DataError& error) {
      inflated_.reset();
      fault_ = error;
    }
  });
  if (fault_) throw DataError(*fault_);
  return content_.subspan(header_.header_bytes);
}

}  // namespace pnflow
