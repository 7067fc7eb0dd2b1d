#include "io/filters.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <limits>
#include <optional>

#include "graph/error.h"
#include "io/codecs.h"
#include "io/large_copy.h"
#include "io/scratch.h"

namespace pnflow {
namespace {

using codecs::BitshuffleCompressor;
using codecs::Bytes;
using codecs::ConstBytes;

constexpr std::size_t checksum_bytes = 4;

BitshuffleCompressor compressor_of(const Filter& filter) {
  return filter.values.size() > 4 ? static_cast<BitshuffleCompressor>(filter.values[4])
                                  : BitshuffleCompressor::none;
}

// How many bytes a filter adds, when that does not depend on what the bytes are.
std::optional<std::size_t> bytes_added(const Filter& filter) {
  switch (filter.id) {
    case filter_id::shuffle: return 0;
    case filter_id::fletcher32: return checksum_bytes;
    case filter_id::bitshuffle:
      if (compressor_of(filter) == BitshuffleCompressor::none) return 0;
      break;
    default: break;
  }
  return std::nullopt;
}

void check_fletcher32(ConstBytes stored, Bytes out) {
  if (stored.size() != out.size() + checksum_bytes) {
    throw DataError("damaged chunk", fmt::format("{} bytes with checksum, expected {}",
                                                 stored.size(), out.size() + checksum_bytes));
  }
  const ConstBytes data = stored.first(out.size());
  std::uint32_t written = 0;
  std::memcpy(&written, stored.data() + data.size(), checksum_bytes);
  if (written != codecs::fletcher32(data)) throw DataError("damaged chunk", "checksum differs");
  std::memcpy(out.data(), data.data(), data.size());
}

void undo(const Filter& filter, DType dtype, ConstBytes stored, Bytes out) {
  switch (filter.id) {
    case filter_id::deflate:
      if (const std::size_t size = codecs::inflate(stored, out); size != out.size()) {
        throw DataError("damaged chunk", fmt::format("deflate stream holds {} bytes, expected {}",
                                                     size, out.size()));
      }
      return;
    case filter_id::shuffle:
      codecs::unshuffle(stored, filter.values.empty() ? size_of(dtype) : filter.values[0], out);
      return;
    case filter_id::fletcher32: check_fletcher32(stored, out); return;
    case filter_id::bitshuffle: {
      const BitshuffleCompressor compressor = compressor_of(filter);
      if (compressor == BitshuffleCompressor::none) {
        codecs::bitshuffle_decode(stored, filter.values[2], filter.values[3], compressor, out);
      } else {
        codecs::bitshuffle_decode_chunk(stored, filter.values[2], compressor, out);
      }
      return;
    }
    case filter_id::zfp: codecs::zfp_decode_chunk(stored, filter.values, dtype, out); return;
    default: throw DataError(fmt::format("unknown filter {}", filter.id), filter.name);
  }
}

}  // namespace

bool can_decode(const Filter& filter) {
  switch (filter.id) {
    case filter_id::deflate:
    case filter_id::shuffle:
    case filter_id::fletcher32:
    case filter_id::zfp: return true;
    case filter_id::bitshuffle: {
      const BitshuffleCompressor compressor = compressor_of(filter);
      return filter.values.size() >= 4 &&
             (compressor == BitshuffleCompressor::none || compressor == BitshuffleCompressor::lz4 ||
              compressor == BitshuffleCompressor::zstd);
    }
    default: return false;
  }
}

std::string describe(const Filter& filter) {
  switch (filter.id) {
    case filter_id::deflate:
      return filter.values.empty() ? "gzip" : fmt::format("gzip ({})", filter.values[0]);
    case filter_id::shuffle: return "shuffle";
    case filter_id::fletcher32: return "checksum (Fletcher 32)";
    case filter_id::bitshuffle:
      switch (compressor_of(filter)) {
        case BitshuffleCompressor::none: return "bitshuffle";
        case BitshuffleCompressor::lz4: return "bitshuffle (LZ4)";
        case BitshuffleCompressor::zstd: return "bitshuffle (Zstd)";
      }
      break;
    case filter_id::zfp: return "ZFP";
    default: break;
  }
  return fmt::format("filter {} ({})", filter.id, filter.name);
}

void decode_chunk(std::span<const Filter> pipeline, unsigned filter_mask, DType dtype,
                  std::span<const std::byte> stored, std::span<std::byte> out) {
  // The filters that were applied, and the size of what went into each, as far as the chunk's own
  // size tells it: that is, up to the first compressor.
  std::vector<const Filter*> applied;
  std::vector<std::optional<std::size_t>> sizes;
  std::optional<std::size_t> size = out.size();
  for (std::size_t i = 0; i < pipeline.size(); ++i) {
    if (i < std::numeric_limits<unsigned>::digits && (filter_mask >> i & 1U) != 0) continue;
    applied.push_back(&pipeline[i]);
    sizes.push_back(size);
    const auto added = bytes_added(pipeline[i]);
    size = size && added ? std::optional(*size + *added) : std::nullopt;
  }
  if (applied.empty()) {
    if (stored.size() != out.size()) {
      throw DataError("damaged chunk",
                      fmt::format("{} stored bytes, expected {}", stored.size(), out.size()));
    }
    copy_pixels(stored, out);
    return;
  }
  thread_local std::array<Scratch, 2> scratch;
  for (std::size_t i = applied.size(); i-- > 0;) {
    // Behind a compressor the stored size tells.
    if (!sizes[i]) {
      const auto added = bytes_added(*applied[i]);
      if (!added) {
        throw DataError(fmt::format("unknown filter {}", applied[i]->id),
                        "a compressor behind another one is not supported");
      }
      if (stored.size() < *added) throw DataError("damaged chunk", "shorter than its checksum");
      sizes[i] = stored.size() - *added;
    }
    const Bytes next = i == 0 ? out : scratch[i % 2].take(*sizes[i]);
    undo(*applied[i], dtype, stored, next);
    stored = next;
  }
}

}  // namespace pnflow
