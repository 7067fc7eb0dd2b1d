#include "io/codecs.h"

#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "graph/error.h"
#include "io/scratch.h"
#include "io/thread_decompressor.h"

namespace pnflow::codecs {
namespace {

struct FreeCompressor {
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};

// The calling thread's compressor: its tables take longer to make than a small chunk to compress.
libdeflate_compressor* thread_compressor(int level) {
  thread_local std::unique_ptr<libdeflate_compressor, FreeCompressor> compressor;
  thread_local int its_level = 0;
  if (!compressor || its_level != level) {
    compressor.reset(libdeflate_alloc_compressor(level));
    if (!compressor) throw std::bad_alloc();
    its_level = level;
  }
  return compressor.get();
}

}  // namespace

std::size_t inflate(ConstBytes stored, Bytes out) {
  std::size_t written = 0;
  const auto result = libdeflate_zlib_decompress(thread_decompressor(), stored.data(),
                                                 stored.size(), out.data(), out.size(), &written);
  check_inflated(result, stored.size(), out.size());
  return written;
}

std::size_t deflate_bound(std::size_t raw_bytes, int level) {
  return libdeflate_zlib_compress_bound(thread_compressor(level), raw_bytes);
}

std::size_t deflate(ConstBytes raw, int level, Bytes out) {
  return libdeflate_zlib_compress(thread_compressor(level), raw.data(), raw.size(), out.data(),
                                  out.size());
}

std::vector<std::byte> deflate(ConstBytes raw, int level) {
  return made_in_scratch(deflate_bound(raw.size(), level),
                         [&](Bytes out) { return deflate(raw, level, out); });
}

std::uint32_t fletcher32(ConstBytes data) {
  // HDF5 sums big-endian 16-bit words and folds every 360 of them, the most that cannot overflow.
  constexpr std::size_t words_per_fold = 360;
  const auto byte_at = [&](std::size_t i) { return std::to_integer<std::uint32_t>(data[i]); };
  const auto fold = [](std::uint32_t sum) { return (sum & 0xffffU) + (sum >> 16U); };
  std::uint32_t sum1 = 0;
  std::uint32_t sum2 = 0;
  const std::size_t words = data.size() / 2;
  for (std::size_t first = 0; first < words; first += words_per_fold) {
    const std::size_t last = std::min(words, first + words_per_fold);
    for (std::size_t w = first; w < last; ++w) {
      sum1 += (byte_at(2 * w) << 8U) | byte_at(2 * w + 1);
      sum2 += sum1;
    }
    sum1 = fold(sum1);
    sum2 = fold(sum2);
  }
  if (data.size() % 2 == 1) {
    sum1 = fold(sum1 + (byte_at(data.size() - 1) << 8U));
    sum2 = fold(sum2 + sum1);
  }
  return (fold(sum2) << 16U) | fold(sum1);
}

}  // namespace pnflow::codecs
