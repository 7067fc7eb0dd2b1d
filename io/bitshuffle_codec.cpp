#include <bitshuffle.h>
#include <fmt/format.h>
#include <zstd.h>

#include <limits>

#include "graph/error.h"
#include "io/byte_order.h"
#include "io/codecs.h"
#include "io/scratch.h"

namespace pnflow::codecs {
namespace {

constexpr std::size_t header_bytes = 12;
constexpr std::size_t block_multiple = 8;  // bitshuffle transposes groups of 8 elements
constexpr int zstd_level = 3;

[[noreturn]] void damaged(const std::string& what) { throw DataError("damaged chunk", what); }

// bitshuffle believes the size in front of each block, so a stream is walked before it is decoded:
// no block may end behind the stored bytes, and all of them must be used up.
void check_blocks(ConstBytes stored, std::size_t elements, std::size_t element_bytes,
                  std::size_t block_elements) {
  const std::size_t tail = elements % block_elements;
  const std::size_t blocks = elements / block_elements + (tail - tail % block_multiple > 0 ? 1 : 0);
  std::size_t at = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    if (stored.size() - at < 4) damaged(fmt::format("block {} of {} is missing", block, blocks));
    const std::size_t size = big_endian<std::uint32_t>(stored.subspan(at));
    at += 4;
    if (size > stored.size() - at || size > std::numeric_limits<std::int32_t>::max()) {
      damaged(fmt::format("block {} of {} claims {} bytes, {} are left", block, blocks, size,
                          stored.size() - at));
    }
    at += size;
  }
  const std::size_t leftover = elements % block_multiple * element_bytes;
  if (stored.size() - at != leftover) {
    damaged(
        fmt::format("{} bytes behind the last block, expected {}", stored.size() - at, leftover));
  }
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
  const std::size_t elements = out.size() / element_bytes;
  std::int64_t used = 0;
  if (compressor == BitshuffleCompressor::none) {
    if (stored.size() != out.size()) {
      damaged(fmt::format("{} stored bytes, expected {}", stored.size(), out.size()));
    }
    used = bshuf_bitunshuffle(stored.data(), out.data(), elements, element_bytes, block_elements);
  } else {
    check_blocks(stored, elements, element_bytes, block_elements);
    const auto decompress =
        compressor == BitshuffleCompressor::lz4 ? bshuf_decompress_lz4 : bshuf_decompress_zstd;
    used = decompress(stored.data(), out.data(), elements, element_bytes, block_elements);
  }
  if (used < 0 || static_cast<std::size_t>(used) != stored.size()) {
    damaged(fmt::format("a bitshuffle block is corrupt (code {})", used));
  }
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
