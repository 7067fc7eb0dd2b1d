#include "io/cxi_compression.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace pnflow {
namespace {

using Kind = CxiCompression::Kind;

std::vector<std::uint16_t> pixels(std::size_t count) {
  std::vector<std::uint16_t> pixels(count);
  for (std::size_t i = 0; i < count; ++i)
    pixels[i] = static_cast<std::uint16_t>(i * 2654435761U % 97);
  return pixels;
}

TEST_CASE("a compression is a name, of some with a level") {
  CHECK(parse_cxi_compression("none") == CxiCompression{});
  CHECK(parse_cxi_compression("gzip") == CxiCompression{Kind::gzip, 1});
  CHECK(parse_cxi_compression("gzip:9") == CxiCompression{Kind::gzip, 9});
  CHECK(parse_cxi_compression("bitshuffle_lz4") == CxiCompression{Kind::bitshuffle_lz4, 0});
  CHECK(parse_cxi_compression("bitshuffle_zstd") == CxiCompression{Kind::bitshuffle_zstd, 1});
  CHECK(parse_cxi_compression("bitshuffle_zstd:22") == CxiCompression{Kind::bitshuffle_zstd, 22});
  for (const char* text :
       {"", ":", ":1", "gzip:", "gzip:0", "gzip:10", "gzip:1x", "gzip: 1", "GZIP", "none:1",
        "bitshuffle", "bitshuffle_lz4:1", "bitshuffle_zstd:23", "lzf"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_cxi_compression(text));
  }
}

TEST_CASE("what a compression makes of a chunk, its filters undo") {
  for (const char* text : {"gzip:1", "gzip:9", "bitshuffle_lz4", "bitshuffle_zstd:5"}) {
    for (const DType dtype : {DType::u8, DType::u16, DType::f32, DType::f64}) {
      CAPTURE(text);
      CAPTURE(name_of(dtype));
      const auto compression = parse_cxi_compression(text).value();
      // 41 * 8 bytes more than whole blocks of any size: a rest that is not a multiple of 8
      // elements.
      const auto raw = pixels(65536 + 41 * 4);
      const auto bytes = std::as_bytes(std::span(raw));
      const auto stored = compress_chunk(bytes, dtype, compression);
      CHECK(stored.bytes() < bytes.size());
      std::vector<std::byte> out(bytes.size());
      decode_chunk(filters_of(compression, dtype), 0, dtype, stored.raw(), out);
      CHECK(std::memcmp(out.data(), bytes.data(), bytes.size()) == 0);
    }
  }
}

TEST_CASE("the filters are those that other readers expect") {
  const auto values = [](const char* text, DType dtype) {
    std::vector<std::vector<unsigned>> found;
    for (const Filter& filter : filters_of(parse_cxi_compression(text).value(), dtype)) {
      found.push_back(filter.values);
      found.back().insert(found.back().begin(), static_cast<unsigned>(filter.id));
    }
    return found;
  };
  using Values = std::vector<std::vector<unsigned>>;
  CHECK(values("none", DType::u16) == Values{});
  CHECK(values("gzip:3", DType::f32) == Values{{2, 4}, {1, 3}});
  CHECK(values("gzip:3", DType::u8) == Values{{1, 3}});
  CHECK(values("bitshuffle_lz4", DType::u16) == Values{{32008, 0, 4, 2, 0, 2}});
  CHECK(values("bitshuffle_zstd:7", DType::i32) == Values{{32008, 0, 4, 4, 0, 3, 7}});
}

}  // namespace
}  // namespace pnflow
