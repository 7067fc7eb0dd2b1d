#include <bitshuffle.h>
#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <limits>

#include "graph/error.h"
#include "io/byte_order.h"
#include "io/codecs.h"
#include "io/scratch.h"

namespace pnflow::codecs {
namespace {

constexpr std::size_t header_bytes = 12;
constexpr std::size_t size_bytes = 4;      // in front of each block
constexpr std::size_t block_multiple = 8;  // bitshuffle transposes groups of 8 elements
constexpr int zstd_level = 3;

[[noreturn]] void damaged(const std::string& what) { throw DataError("damaged chunk", what); }

// bitshuffle believes the size in front of each block, so each is looked at first: no block may end
// behind the stored bytes, and all of them must be used up. Block by block, because a walk over all
// of them beforehand would wait for memory at each one.
void decompress_blocks(ConstBytes stored, std::size_t element_bytes, std::size_t block_elements,
                       BitshuffleCompressor compressor, Bytes out) {
  const auto decompress =
      compressor == BitshuffleCompressor::lz4 ? bshuf_decompress_lz4 : bshuf_decompress_zstd;
  const std::size_t elements = out.size() / element_bytes;
  const std::size_t shuffled = elements - elements % block_multiple;
  const std::size_t blocks = (shuffled + block_elements - 1) / block_elements;
  for (std::size_t block = 0; block < blocks; ++block) {
    if (stored.size() < size_bytes)
      damaged(fmt::format("block {} of {} is missing", block, blocks));
    const std::size_t size = big_endian<std::uint32_t>(stored);
    const std::size_t left = stored.size() - size_bytes;
    if (size > left || size > std::numeric_limits<std::int32_t>::max()) {
      damaged(
          fmt::format("block {} of {} claims {} bytes, {} are left", block, blocks, size, left));
    }
    const std::size_t here = std::min(block_elements, shuffled - block * block_elements);
    const std::int64_t used =
        decompress(stored.data(), out.data(), here, element_bytes, block_elements);
    if (used < 0 || static_cast<std::size_t>(used) != size_bytes + size) {
      damaged(fmt::format("block {} of {} is corrupt (code {})", block, blocks, used));
    }
    stored = stored.subspan(size_bytes + size);
    out = out.subspan(here * element_bytes);
  }
  if (stored.size() != out.size()) {  // elements that are no whole group are stored as they are
    damaged(fmt::format("{} bytes behind the last block, expected {}", stored.size(), out.size()));
  }
  std::ranges::copy(stored, out.begin());
}

}  // namespace

void bitshuffle_decode(ConstBytes stored, std::size_t element_bytes, std::size_t block_elements,
                       BitshuffleCompressor compressor, Bytes out) {
  if (element_bytes == 0 || out.size() % element_bytes != 0) {
    damaged(fmt::format("{} bytes are not whole elements of {}", out.size(), element_bytes));
  }
  if (block_elements == 0) block_elements = bshuf_default_block_size(element_bytes);
  if (block_elements == 0 || block_elements % block_multiple != 0) {
    damaged(fmt::format("bitshuffle blocks of {} elements", block_elements));
  }
  if (compressor != BitshuffleCompressor::none) {
    decompress_blocks(stored, element_bytes, block_elements, compressor, out);
    return;
  }
  if (stored.size() != out.size()) {
    damaged(fmt::format("{} stored bytes, expected {}", stored.size(), out.size()));
  }
  const std::int64_t used = bshuf_bitunshuffle(
      stored.data(), out.data(), out.size() / element_bytes, element_bytes, block_elements);
  if (used < 0) damaged(fmt::format("bitshuffle cannot undo it (code {})", used));
}

void bitshuffle_decode_chunk(ConstBytes stored, std::size_t element_bytes,
                             BitshuffleCompressor compressor, Bytes out) {
  if (stored.size() < header_bytes) damaged("shorter than bitshuffle's header");
  const std::size_t total = big_endian<std::uint64_t>(stored);
  const std::size_t block_bytes = big_endian<std::uint32_t>(stored.subspan(8));
  if (total != out.size()) {
    damaged(fmt::format("bitshuffle header says {} bytes, expected {}", total, out.size()));
  }
  if (element_bytes == 0 || block_bytes == 0 || block_bytes % element_bytes != 0) {
    damaged(fmt::format("bitshuffle blocks of {} bytes", block_bytes));
  }
  bitshuffle_decode(stored.subspan(header_bytes), element_bytes, block_bytes / element_bytes,
                    compressor, out);
}

namespace {

// `header` bytes for the caller to fill, then the payload.
std::vector<std::byte> encode(ConstBytes raw, std::size_t element_bytes, std::size_t block,
                              BitshuffleCompressor compressor, int level, std::size_t header) {
  const std::size_t elements = raw.size() / element_bytes;
  const bool lz4 = compressor == BitshuffleCompressor::lz4;
  const std::size_t bound = lz4 ? bshuf_compress_lz4_bound(elements, element_bytes, block)
                                : bshuf_compress_zstd_bound(elements, element_bytes, block);
  thread_local Scratch scratch;  // for the worst case, which the result should not hold
  const Bytes out = scratch.take(header + bound);
  std::byte* payload = out.data() + header;
  const std::int64_t size =
      lz4 ? bshuf_compress_lz4(raw.data(), payload, elements, element_bytes, block)
          : bshuf_compress_zstd(raw.data(), payload, elements, element_bytes, block, level);
  if (size < 0) throw std::bad_alloc();
  const Bytes stored = out.first(header + static_cast<std::size_t>(size));
  return {stored.begin(), stored.end()};
}

}  // namespace

std::vector<std::byte> bitshuffle_encode_chunk(ConstBytes raw, std::size_t element_bytes,
                                               BitshuffleCompressor compressor, int level) {
  const std::size_t block = bshuf_default_block_size(element_bytes);
  auto stored = encode(raw, element_bytes, block, compressor, level, header_bytes);
  put_big_endian<std::uint64_t>(raw.size(), stored);
  put_big_endian<std::uint32_t>(static_cast<std::uint32_t>(block * element_bytes),
                                Bytes(stored).subspan(8));
  return stored;
}

std::vector<std::byte> bitshuffle_encode(ConstBytes raw, std::size_t element_bytes,
                                         std::size_t block_elements,
                                         BitshuffleCompressor compressor) {
  const std::size_t block =
      block_elements == 0 ? bshuf_default_block_size(element_bytes) : block_elements;
  return encode(raw, element_bytes, block, compressor, zstd_level, 0);
}

}  // namespace pnflow::codecs
