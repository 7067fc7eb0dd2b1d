#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "graph/dtype.h"

// The compressors of detector messages, each from one span into another, without HDF5 and its lock.
// Decoders believe nothing that the stored bytes say: they neither read nor write outside the
// spans, and throw DataError("damaged chunk") when the stream is not what it should be. All
// functions are thread-safe; some keep a working buffer per thread.
namespace pnflow::codecs {

using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;

// zlib stream (RFC 1950), as HDF5's filter 1 writes it. Returns the number of bytes written to
// `out`, which may be fewer than it holds.
std::size_t inflate(ConstBytes stored, Bytes out);
std::vector<std::byte> deflate(ConstBytes raw, int level);  // 1 to 12
// The same into `out`, which holds the most that so many bytes can become; returns the size.
std::size_t deflate(ConstBytes raw, int level, Bytes out);
std::size_t deflate_bound(std::size_t raw_bytes, int level);

// HDF5's filter 2: byte 0 of all elements, byte 1 of all elements, ...; what is left over from
// whole elements is copied. `out` must be as long as `stored`.
void unshuffle(ConstBytes stored, std::size_t element_bytes, Bytes out);
void shuffle(ConstBytes raw, std::size_t element_bytes, Bytes out);

// HDF5's filter 3: the checksum of `data`. The filter appends it as four bytes, little endian.
std::uint32_t fletcher32(ConstBytes data);

// Compressors inside a bitshuffle stream, with the numbers of the filter's fifth client value.
enum class BitshuffleCompressor : unsigned { none = 0, lz4 = 2, zstd = 3 };

// The payload of HDF5's filter 32008 (https://github.com/kiyo-masui/bitshuffle) behind its 12-byte
// header: blocks of `block_elements` elements (a multiple of 8; 0 means the library's default).
void bitshuffle_decode(ConstBytes stored, std::size_t element_bytes, std::size_t block_elements,
                       BitshuffleCompressor compressor, Bytes out);

// A whole chunk of filter 32008 with LZ4 or Zstd: 8 bytes of total size and 4 bytes of block size,
// big endian, then the payload. (Chunks without a compressor have no header.)
void bitshuffle_decode_chunk(ConstBytes stored, std::size_t element_bytes,
                             BitshuffleCompressor compressor, Bytes out);
// With the header, blocks of the library's default size. `compressor` is lz4 or zstd, `level` is of
// the latter, 1 to 22.
std::vector<std::byte> bitshuffle_encode_chunk(ConstBytes raw, std::size_t element_bytes,
                                               BitshuffleCompressor compressor, int level = 3);
// The same into `out`, which holds the most that so many bytes can become; returns the size.
std::size_t bitshuffle_encode_chunk(ConstBytes raw, std::size_t element_bytes,
                                    BitshuffleCompressor compressor, int level, Bytes out);
std::size_t bitshuffle_chunk_bound(std::size_t raw_bytes, std::size_t element_bytes,
                                   BitshuffleCompressor compressor);
// Only the payload, with blocks of `block_elements` elements (a multiple of 8; 0: the default).
std::vector<std::byte> bitshuffle_encode(ConstBytes raw, std::size_t element_bytes,
                                         std::size_t block_elements,
                                         BitshuffleCompressor compressor);

// A chunk of HDF5's filter 32013 (H5Z-ZFP 1.x). `header` is the filter's client values: a version
// word, then a ZFP header, which holds scalar type, extents and mode; type and number of elements
// must be those of `dtype` and `out`.
void zfp_decode_chunk(ConstBytes stored, std::span<const unsigned> header, DType dtype, Bytes out);

}  // namespace pnflow::codecs
