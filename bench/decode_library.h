#pragma once

#include <benchmark/benchmark.h>
#include <bitshuffle.h>
#include <fmt/format.h>
#include <libdeflate.h>
#include <zfp.h>

#include <cstring>
#include <functional>
#include <stdexcept>
#include <variant>

#include "io/byte_order.h"
#include "io/hdf5_image.h"
#include "io/hdf5_layout.h"
#include "io/simplon_message.h"
#include "io/thread_decompressor.h"
#include "io/zip_directory.h"

// What the libraries that own the compression of a message do with it, for bench/decode_bench.cpp.

// HDF5's own shuffle filter, which the library exports and no header names.
extern "C" const H5Z_class2_t H5Z_SHUFFLE[1];  // NOLINT(readability-identifier-naming)

namespace pnflow::bench {

using Bytes = std::span<std::byte>;
using ConstBytes = std::span<const std::byte>;

constexpr std::size_t header_bytes = 12;  // in front of bitshuffle's blocks in HDF5
constexpr std::size_t simplon_block = 4096;

inline void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(fmt::format("{} failed", what));
}

// What a library does with the compressed bytes of an image.
using Undo = std::function<void(ConstBytes stored, Bytes out)>;

struct Library {
  struct Part {
    std::size_t offset, size;  // in the message
  };
  Undo undo;
  Undo undo_all = {};  // with the filter in front of it, where `undo` leaves one
  std::vector<Part> parts;
  std::size_t part_bytes = 0;  // of each, decompressed
};

inline void copy(ConstBytes stored, Bytes out) {
  std::memcpy(out.data(), stored.data(), out.size());
}

inline void inflate_zlib(ConstBytes stored, Bytes out) {
  require(libdeflate_zlib_decompress(codecs::thread_decompressor(), stored.data(), stored.size(),
                                     out.data(), out.size(), nullptr) == LIBDEFLATE_SUCCESS,
          "libdeflate");
}

inline void inflate_raw(ConstBytes stored, Bytes out) {
  require(libdeflate_deflate_decompress(codecs::thread_decompressor(), stored.data(), stored.size(),
                                        out.data(), out.size(), nullptr) == LIBDEFLATE_SUCCESS,
          "libdeflate");
}

inline Undo unbitshuffle(std::size_t header, std::size_t width, std::size_t block, bool zstd) {
  const auto decompress = zstd ? bshuf_decompress_zstd : bshuf_decompress_lz4;
  return [=](ConstBytes stored, Bytes out) {
    require(decompress(stored.data() + header, out.data(), out.size() / width, width, block) > 0,
            "bitshuffle");
  };
}

inline Undo unzfp(std::vector<unsigned> values) {
  return [values = std::move(values)](ConstBytes stored, Bytes out) {
    std::vector<unsigned> words(values.begin() + 1, values.end());
    words.resize(words.size() + 16);  // libzfp reads ahead
    zfp_stream* const stream = zfp_stream_open(stream_open(words.data(), 4 * words.size()));
    zfp_field* const field = zfp_field_alloc();
    require(zfp_read_header(stream, field, ZFP_HEADER_FULL) != 0, "zfp_read_header");
    stream_close(zfp_stream_bit_stream(stream));
    bitstream* const bits = stream_open(const_cast<std::byte*>(stored.data()), stored.size());
    zfp_stream_set_bit_stream(stream, bits);
    zfp_stream_rewind(stream);
    zfp_field_set_pointer(field, out.data());
    require(zfp_decompress(stream, field) != 0, "zfp_decompress");
    stream_close(bits);
    zfp_field_free(field);
    zfp_stream_close(stream);
  };
}

// As HDF5 undoes both; the pixels stay in the memory that the filter takes for itself.
inline Undo inflate_and_unshuffle(unsigned width) {
  return [=](ConstBytes stored, Bytes out) {
    std::size_t size = out.size();
    void* buffer = H5allocate_memory(size, false);
    require(buffer != nullptr, "H5allocate_memory");
    inflate_zlib(stored, {static_cast<std::byte*>(buffer), size});
    const std::size_t done =
        H5Z_SHUFFLE->filter(H5Z_FLAG_REVERSE, 1, &width, out.size(), &size, &buffer);
    benchmark::DoNotOptimize(buffer);
    H5free_memory(buffer);
    require(done == out.size(), "HDF5's shuffle");
  };
}

// Of HDF5's filters the one that decompresses; what un-shuffles is ours to keep cheap.
inline Undo undo_of(const std::vector<Filter>& filters, std::size_t width, ConstBytes chunk) {
  if (filters.empty()) return copy;
  const Filter& filter = filters.back();
  if (filter.id == filter_id::deflate) return inflate_zlib;
  if (filter.id == filter_id::zfp) return unzfp(filter.values);
  require(filter.id == filter_id::bitshuffle, "knowing the filter");
  const std::size_t block = big_endian<std::uint32_t>(chunk.subspan(8)) / width;
  return unbitshuffle(header_bytes, width, block, filter.values.at(4) == 3);
}

inline Library hdf5_library(ConstBytes message) {
  const Hdf5Image image(message);
  const h5::Dataset dataset(H5Dopen2(image.file(), "/data/data", H5P_DEFAULT));
  const Hdf5Layout layout = read_layout(dataset.get(), "/data/data", message);
  Library library;
  for (const StoredChunk& chunk : layout.chunks)
    library.parts.push_back({chunk.offset, chunk.size});
  const std::size_t width = size_of(layout.info.dtype);
  library.part_bytes = elements_of(layout.info.chunk) * width;
  const auto [offset, size] = library.parts.at(0);
  const std::vector<Filter>& filters = layout.info.filters;
  library.undo = undo_of(filters, width, message.subspan(offset, size));
  if (filters.size() == 2 && filters[0].id == filter_id::shuffle) {
    library.undo_all = inflate_and_unshuffle(static_cast<unsigned>(width));
  }
  return library;
}

inline Library npz_library(ConstBytes message) {
  const ZipDirectory directory(message);
  const ZipMember* const member = directory.find("detector_data.npy");
  require(member != nullptr, "finding the images");
  const bool stored = member->method == ZipMember::stored_method;
  const auto offset = static_cast<std::size_t>(member->data.data() - message.data());
  return {.undo = stored ? Undo(copy) : inflate_raw,
          .parts = {{offset, member->data.size()}},
          .part_bytes = member->size};
}

inline Library simplon_library(ConstBytes message, std::size_t pixels) {
  const SimplonMessage simplon(message);
  const auto stored = std::get<ConstBytes>(*simplon.map().find("compressed_data"));
  const std::size_t width = simplon.map().text("dtype") == "float64" ? 8 : 4;
  const auto offset = static_cast<std::size_t>(stored.data() - message.data());
  return {.undo = unbitshuffle(0, width, simplon_block, false),
          .parts = {{offset, stored.size()}},
          .part_bytes = pixels * width};
}

inline Library library_of(ConstBytes message, const Shape& event) {
  if (looks_like_hdf5(message)) return hdf5_library(message);
  if (SimplonMessage::recognises(message)) return simplon_library(message, elements_of(event));
  return npz_library(message);
}

}  // namespace pnflow::bench
