#include <bitshuffle.h>
#include <fmt/format.h>
#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <new>

#include "graph/error.h"
#include "io/bit_rows.h"
#include "io/byte_order.h"
#include "io/byte_planes.h"
#include "io/codecs.h"
#include "io/large_copy.h"
#include "io/scratch.h"

// The blocks of bitshuffle (https://github.com/kiyo-masui/bitshuffle): LZ4 and Zstd are their
// libraries' own, the transposition is ours. Bitshuffle's takes more time than LZ4 to undo its
// part, and what it is compiled for decides about that, not what it runs on.

namespace pnflow::codecs {
namespace {

constexpr std::size_t header_bytes = 12;
constexpr std::size_t size_bytes = 4;      // in front of each block
constexpr std::size_t block_multiple = 8;  // bitshuffle transposes groups of 8 elements
constexpr int zstd_level = 3;

[[noreturn]] void damaged(const std::string& what) { throw DataError("damaged chunk", what); }

template <class T>
T* or_bad_alloc(T* made) {
  if (made == nullptr) throw std::bad_alloc();
  return made;
}

// What a thread keeps for the next block.
struct Workspace {
  Scratch planes, rows;
  std::unique_ptr<LZ4_stream_t> lz4{new LZ4_stream_t};
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> zstd{or_bad_alloc(ZSTD_createCCtx()),
                                                            &ZSTD_freeCCtx};
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> unzstd{or_bad_alloc(ZSTD_createDCtx()),
                                                              &ZSTD_freeDCtx};
};

Workspace& workspace() {
  thread_local Workspace kept;
  return kept;
}

// One block, whose elements are a multiple of 8.
void transpose(ConstBytes raw, std::size_t width, Bytes rows) {
  const std::size_t elements = raw.size() / width;
  const std::byte* planes = raw.data();
  if (width > 1) {
    const Bytes shuffled = workspace().planes.take(raw.size());
    elements_to_planes(raw.data(), elements, width, shuffled.data());
    planes = shuffled.data();
  }
  for (std::size_t plane = 0; plane < width; ++plane) {
    bytes_to_rows(planes + plane * elements, elements / block_multiple,
                  rows.data() + plane * elements);
  }
}

void undo_transpose(ConstBytes rows, std::size_t width, Bytes out, bool past_caches) {
  const std::size_t elements = out.size() / width;
  std::byte* const planes = width > 1 ? workspace().planes.take(out.size()).data() : out.data();
  for (std::size_t plane = 0; plane < width; ++plane) {
    rows_to_bytes(rows.data() + plane * elements, elements / block_multiple,
                  planes + plane * elements);
  }
  if (width > 1) planes_to_elements(planes, elements, width, out.data(), past_caches);
}

bool decompress(ConstBytes stored, BitshuffleCompressor compressor, Bytes out) {
  if (compressor == BitshuffleCompressor::zstd) {
    return ZSTD_decompressDCtx(workspace().unzstd.get(), out.data(), out.size(), stored.data(),
                               stored.size()) == out.size();
  }
  if (stored.size() > std::numeric_limits<int>::max() ||
      out.size() > std::numeric_limits<int>::max()) {
    return false;
  }
  const int size = LZ4_decompress_safe(
      reinterpret_cast<const char*>(stored.data()), reinterpret_cast<char*>(out.data()),
      static_cast<int>(stored.size()), static_cast<int>(out.size()));
  return size >= 0 && static_cast<std::size_t>(size) == out.size();
}

// The stored bytes of the first block, which are taken off `stored`. Nobody believes the size in
// front of them: no block may end behind the stored bytes.
ConstBytes take_block(ConstBytes& stored, std::size_t block, std::size_t blocks) {
  if (stored.size() < size_bytes) damaged(fmt::format("block {} of {} is missing", block, blocks));
  const std::size_t size = big_endian<std::uint32_t>(stored);
  const std::size_t left = stored.size() - size_bytes;
  if (size > left) {
    damaged(fmt::format("block {} of {} claims {} bytes, {} are left", block, blocks, size, left));
  }
  const ConstBytes taken = stored.subspan(size_bytes, size);
  stored = stored.subspan(size_bytes + size);
  return taken;
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
  const bool compressed = compressor != BitshuffleCompressor::none;
  if (!compressed && stored.size() != out.size()) {
    damaged(fmt::format("{} stored bytes, expected {}", stored.size(), out.size()));
  }
  const bool past_caches = out.size() >= large_bytes;
  const std::size_t elements = out.size() / element_bytes;
  const std::size_t shuffled = elements - elements % block_multiple;
  const std::size_t blocks = (shuffled + block_elements - 1) / block_elements;
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t here = std::min(block_elements, shuffled - block * block_elements);
    const Bytes pixels = out.first(here * element_bytes);
    out = out.subspan(pixels.size());
    if (!compressed) {
      undo_transpose(stored.first(pixels.size()), element_bytes, pixels, past_caches);
      stored = stored.subspan(pixels.size());
      continue;
    }
    const ConstBytes taken = take_block(stored, block, blocks);
    const Bytes rows = workspace().rows.take(pixels.size());
    if (!decompress(taken, compressor, rows)) {
      damaged(fmt::format("block {} of {} is corrupt", block, blocks));
    }
    undo_transpose(rows, element_bytes, pixels, past_caches);
  }
  if (stored.size() != out.size()) {  // elements that are no whole group are stored as they are
    damaged(fmt::format("{} bytes behind the last block, expected {}", stored.size(), out.size()));
  }
  std::ranges::copy(stored, out.begin());
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

std::size_t most_stored(std::size_t raw_bytes, std::size_t width, std::size_t block,
                        BitshuffleCompressor compressor) {
  const auto bound = compressor == BitshuffleCompressor::lz4 ? bshuf_compress_lz4_bound
                                                             : bshuf_compress_zstd_bound;
  return bound(raw_bytes / width, width, block);
}

// Into `out`, which has room for the worst case; returns the size.
std::size_t compress(ConstBytes rows, BitshuffleCompressor compressor, int level, Bytes out) {
  if (compressor == BitshuffleCompressor::lz4) {
    return static_cast<std::size_t>(LZ4_compress_fast_extState(
        workspace().lz4.get(), reinterpret_cast<const char*>(rows.data()),
        reinterpret_cast<char*>(out.data()), static_cast<int>(rows.size()),
        static_cast<int>(std::min<std::size_t>(out.size(), std::numeric_limits<int>::max())), 1));
  }
  const std::size_t size = ZSTD_compressCCtx(workspace().zstd.get(), out.data(), out.size(),
                                             rows.data(), rows.size(), level);
  if (ZSTD_isError(size) != 0) throw std::bad_alloc();
  return size;
}

// Into `out`, which has room for the worst case; returns the size.
std::size_t encode(ConstBytes raw, std::size_t width, std::size_t block,
                   BitshuffleCompressor compressor, int level, Bytes out) {
  const std::size_t elements = raw.size() / width;
  const std::size_t shuffled = elements - elements % block_multiple;
  Bytes left = out;
  for (std::size_t first = 0; first < shuffled; first += block) {
    const ConstBytes pixels = raw.subspan(first * width, std::min(block, shuffled - first) * width);
    const Bytes rows = workspace().rows.take(pixels.size());
    transpose(pixels, width, rows);
    const std::size_t size = compress(rows, compressor, level, left.subspan(size_bytes));
    put_big_endian(static_cast<std::uint32_t>(size), left);
    left = left.subspan(size_bytes + size);
  }
  const ConstBytes rest = raw.subspan(shuffled * width, (elements - shuffled) * width);
  std::ranges::copy(rest, left.begin());
  return out.size() - left.size() + rest.size();
}

}  // namespace

std::size_t bitshuffle_chunk_bound(std::size_t raw_bytes, std::size_t element_bytes,
                                   BitshuffleCompressor compressor) {
  return header_bytes + most_stored(raw_bytes, element_bytes, 0, compressor);
}

std::size_t bitshuffle_encode_chunk(ConstBytes raw, std::size_t element_bytes,
                                    BitshuffleCompressor compressor, int level, Bytes out) {
  const std::size_t block = bshuf_default_block_size(element_bytes);
  put_big_endian<std::uint64_t>(raw.size(), out);
  put_big_endian<std::uint32_t>(static_cast<std::uint32_t>(block * element_bytes), out.subspan(8));
  return header_bytes +
         encode(raw, element_bytes, block, compressor, level, out.subspan(header_bytes));
}

std::vector<std::byte> bitshuffle_encode_chunk(ConstBytes raw, std::size_t element_bytes,
                                               BitshuffleCompressor compressor, int level) {
  return made_in_scratch(
      bitshuffle_chunk_bound(raw.size(), element_bytes, compressor), [&](Bytes out) {
        return bitshuffle_encode_chunk(raw, element_bytes, compressor, level, out);
      });
}

std::vector<std::byte> bitshuffle_encode(ConstBytes raw, std::size_t element_bytes,
                                         std::size_t block_elements,
                                         BitshuffleCompressor compressor) {
  const std::size_t block =
      block_elements == 0 ? bshuf_default_block_size(element_bytes) : block_elements;
  return made_in_scratch(most_stored(raw.size(), element_bytes, block, compressor), [&](Bytes out) {
    return encode(raw, element_bytes, block, compressor, zstd_level, out);
  });
}

}  // namespace pnflow::codecs
