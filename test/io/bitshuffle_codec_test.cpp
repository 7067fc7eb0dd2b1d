#include <bitshuffle.h>
#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "io/byte_order.h"
#include "io/codecs.h"

using namespace pnflow;
using codecs::BitshuffleCompressor;

namespace {

using Buffer = std::vector<std::byte>;

// Half of it is noise and half compresses.
Buffer pixels(std::size_t count) {
  std::mt19937 random(11);
  Buffer bytes(count);
  for (std::size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<std::byte>(i < count / 2 ? random() : random() % 4);
  }
  return bytes;
}

// What bitshuffle's own functions make of it; `block` 0 is their default.
Buffer of_library(const Buffer& raw, std::size_t width, std::size_t block,
                  BitshuffleCompressor compressor) {
  const std::size_t elements = raw.size() / width;
  Buffer out(raw.size() + bshuf_compress_lz4_bound(elements, width, block) +
             bshuf_compress_zstd_bound(elements, width, block));
  std::int64_t size = 0;
  switch (compressor) {
    case BitshuffleCompressor::none:
      size = bshuf_bitshuffle(raw.data(), out.data(), elements, width, block);
      break;
    case BitshuffleCompressor::lz4:
      size = bshuf_compress_lz4(raw.data(), out.data(), elements, width, block);
      break;
    case BitshuffleCompressor::zstd:
      size = bshuf_compress_zstd(raw.data(), out.data(), elements, width, block, 3);
      break;
  }
  REQUIRE(size > 0);
  out.resize(static_cast<std::size_t>(size));
  return out;
}

// Rows of bits that are whole vectors of either length and what is left over, rests that are no
// whole group of eight, one block and many.
constexpr std::size_t awkward[] = {8,   9,   64,  127, 128,  129,  136,  255,   256,
                                   264, 392, 400, 640, 2047, 2048, 4104, 20003, 70000};

}  // namespace

TEST_CASE("what bitshuffle's library has written is read, whatever the width and the block") {
  for (const auto compressor :
       {BitshuffleCompressor::none, BitshuffleCompressor::lz4, BitshuffleCompressor::zstd}) {
    for (const std::size_t width : {1U, 2U, 3U, 4U, 6U, 8U, 16U}) {
      for (const std::size_t block : {0U, 8U, 136U, 1024U, 4096U}) {
        for (const std::size_t elements : awkward) {
          if (block == 8 && elements > 1000) continue;
          CAPTURE(static_cast<unsigned>(compressor));
          CAPTURE(width);
          CAPTURE(block);
          CAPTURE(elements);
          const Buffer raw = pixels(elements * width);
          const Buffer stored = of_library(raw, width, block, compressor);
          Buffer out(raw.size());
          codecs::bitshuffle_decode(stored, width, block, compressor, out);
          CHECK(out == raw);
        }
      }
    }
  }
}

TEST_CASE("what is written is what bitshuffle's library would have written") {
  for (const auto compressor : {BitshuffleCompressor::lz4, BitshuffleCompressor::zstd}) {
    for (const std::size_t width : {1U, 2U, 3U, 4U, 8U}) {
      for (const std::size_t elements : awkward) {
        CAPTURE(static_cast<unsigned>(compressor));
        CAPTURE(width);
        CAPTURE(elements);
        const Buffer raw = pixels(elements * width);
        const Buffer payload = of_library(raw, width, 0, compressor);
        CHECK(codecs::bitshuffle_encode(raw, width, 0, compressor) == payload);
        const Buffer chunk = codecs::bitshuffle_encode_chunk(raw, width, compressor);
        CHECK(chunk.size() <= codecs::bitshuffle_chunk_bound(raw.size(), width, compressor));
        CHECK(big_endian<std::uint64_t>(chunk) == raw.size());
        CHECK(Buffer(chunk.begin() + 12, chunk.end()) == payload);
      }
    }
  }
}

TEST_CASE("pixels that no vector instruction may be aligned to are read as well") {
  const std::size_t elements = 1U << 19U;  // so many that they go past the caches
  const Buffer raw = pixels(elements * 4);
  const Buffer stored = of_library(raw, 4, 0, BitshuffleCompressor::lz4);
  for (const std::size_t offset : {0U, 1U, 16U, 24U}) {
    Buffer out(raw.size() + offset);
    codecs::bitshuffle_decode(stored, 4, 0, BitshuffleCompressor::lz4,
                              std::span(out).subspan(offset));
    CHECK(Buffer(out.begin() + static_cast<std::ptrdiff_t>(offset), out.end()) == raw);
  }
}
