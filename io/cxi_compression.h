#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "graph/array.h"
#include "graph/dtype.h"
#include "io/filters.h"

namespace pnflow {

// How the images of a CXI file are compressed. CrystFEL reads what HDF5 itself undoes (none, and
// shuffle with gzip) everywhere, bitshuffle only where its HDF5 has the plugin.
struct CxiCompression {
  enum class Kind : std::uint8_t { none, gzip, bitshuffle_lz4, bitshuffle_zstd };
  Kind kind = Kind::none;
  int level = 0;  // of gzip and Zstd

  friend bool operator==(const CxiCompression&, const CxiCompression&) = default;
};

// What parse_cxi_compression() reads, for messages and help.
inline constexpr std::string_view cxi_compressions =
    "none, gzip, gzip:LEVEL with LEVEL 1 to 9, bitshuffle_lz4, bitshuffle_zstd or "
    "bitshuffle_zstd:LEVEL with LEVEL 1 to 22";

// Nothing when it is none of these.
std::optional<CxiCompression> parse_cxi_compression(std::string_view text);

// The pipeline of a dataset of that type, in the order in which the writer applies it.
std::vector<Filter> filters_of(CxiCompression compression, DType dtype);

// One chunk as that pipeline leaves it, uint8; not for Kind::none. It lies in a block of
// heap_pool() that has room for the worst case: no fresh pages, and nothing is copied. Thread-safe,
// keeps working memory of up to one chunk per thread. Throws std::bad_alloc.
Array compress_chunk(std::span<const std::byte> raw, DType dtype, CxiCompression compression);

}  // namespace pnflow
