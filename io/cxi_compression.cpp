#include "io/cxi_compression.h"

#include <array>
#include <charconv>
#include <stdexcept>

#include "io/codecs.h"
#include "io/scratch.h"

namespace pnflow {
namespace {

using Kind = CxiCompression::Kind;
using codecs::BitshuffleCompressor;

struct Choice {
  std::string_view name;
  Kind kind;
  int default_level, highest_level;  // 0: it has no levels
};
constexpr std::array choices = {Choice{"none", Kind::none, 0, 0},
                                Choice{"gzip", Kind::gzip, 1, 9},  // as far as HDF5's filter goes
                                Choice{"bitshuffle_lz4", Kind::bitshuffle_lz4, 0, 0},
                                Choice{"bitshuffle_zstd", Kind::bitshuffle_zstd, 1, 22}};

std::optional<int> parse_level(std::string_view text, int highest) {
  int level = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return level >= 1 && level <= highest ? std::optional(level) : std::nullopt;
}

Filter bitshuffle_filter(DType dtype, BitshuffleCompressor compressor) {
  // Version 0.4 of the filter, element size, default block size.
  return {filter_id::bitshuffle,
          {},
          {0, 4, static_cast<unsigned>(size_of(dtype)), 0, static_cast<unsigned>(compressor)}};
}

}  // namespace

std::optional<CxiCompression> parse_cxi_compression(std::string_view text) {
  const std::string_view name = text.substr(0, text.find(':'));
  for (const Choice& choice : choices) {
    if (choice.name != name) continue;
    if (name.size() == text.size()) return CxiCompression{choice.kind, choice.default_level};
    const auto level = parse_level(text.substr(name.size() + 1), choice.highest_level);
    return level ? std::optional(CxiCompression{choice.kind, *level}) : std::nullopt;
  }
  return {};
}

std::vector<Filter> filters_of(CxiCompression compression, DType dtype) {
  const auto level = static_cast<unsigned>(compression.level);
  switch (compression.kind) {
    case Kind::none: break;
    case Kind::gzip:
      if (size_of(dtype) == 1) return {{filter_id::deflate, {}, {level}}};
      return {{filter_id::shuffle, {}, {static_cast<unsigned>(size_of(dtype))}},
              {filter_id::deflate, {}, {level}}};
    case Kind::bitshuffle_lz4: return {bitshuffle_filter(dtype, BitshuffleCompressor::lz4)};
    case Kind::bitshuffle_zstd: {
      Filter filter = bitshuffle_filter(dtype, BitshuffleCompressor::zstd);
      filter.values.push_back(level);
      return {filter};
    }
  }
  return {};
}

Array compress_chunk(std::span<const std::byte> raw, DType dtype, CxiCompression compression) {
  const std::size_t width = size_of(dtype);
  const auto into_block = [](std::size_t bound, const auto& compress) {
    MutableArray block(*heap_pool(), DType::u8, {bound});
    const std::size_t size = compress(block.raw());
    return std::move(block).freeze().slice(0, size);
  };
  const auto bitshuffled = [&](BitshuffleCompressor compressor) {
    return into_block(
        codecs::bitshuffle_chunk_bound(raw.size(), width, compressor), [&](codecs::Bytes out) {
          return codecs::bitshuffle_encode_chunk(raw, width, compressor, compression.level, out);
        });
  };
  switch (compression.kind) {
    case Kind::none: break;
    case Kind::gzip: {
      thread_local Scratch scratch;
      if (width > 1) {
        const std::span<std::byte> shuffled = scratch.take(raw.size());
        codecs::shuffle(raw, width, shuffled);
        raw = shuffled;
      }
      return into_block(
          codecs::deflate_bound(raw.size(), compression.level),
          [&](codecs::Bytes out) { return codecs::deflate(raw, compression.level, out); });
    }
    case Kind::bitshuffle_lz4: return bitshuffled(BitshuffleCompressor::lz4);
    case Kind::bitshuffle_zstd: return bitshuffled(BitshuffleCompressor::zstd);
  }
  throw std::invalid_argument("there is nothing to compress with");
}

}  // namespace pnflow
