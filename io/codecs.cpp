#include "io/codecs.h"

#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "graph/error.h"
#include "io/thread_decompressor.h"

namespace pnflow::codecs {
namespace {

struct FreeCompressor {
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};

}  // namespace

std::size_t inflate(ConstBytes stored, Bytes out) {
  std::size_t written = 0;
  const auto result = libdeflate_zlib_decompress(thread_decompressor(), stored.data(),
                                                 stored.size(), out.data(), out.size(), &written);
  check_inflated(result, stored.size(), out.size());
  return written;
}

std::vector<std::byte> deflate(ConstBytes raw, int level) {
  const std::unique_ptr<libdeflate_compressor, FreeCompressor> compressor(
      libdeflate_alloc_compressor(level));
  if (!compressor) throw std::bad_alloc();
  std::vector<std::byte> stored(libdeflate_zlib_compress_bound(compressor.get(), raw.size()));
  stored.resize(libdeflate_zlib_compress(compressor.get(), raw.data(), raw.size(), stored.data(),
                                         stored.size()));
  return stored;
}

namespace {

template <std::size_t width>
void unshuffle_elements(const std::byte* in, std::size_t elements, std::byte* out) {
  for (std::size_t i = 0; i < elements; ++i) {
    for (std::size_t b = 0; b < width; ++b) out[i * width + b] = in[b * elements + i];
  }
}

}  // namespace

void unshuffle(ConstBytes stored, std::size_t element_bytes, Bytes out) {
  if (stored.size() != out.size()) {
    throw DataError("damaged chunk", fmt::format("{} shuffled bytes where {} were expected",
                                                 stored.size(), out.size()));
  }
  // A width that the writer did not mean may be any number; one beyond the data moves nothing.
  const std::size_t width = std::clamp<std::size_t>(element_bytes, 1, stored.size() + 1);
  const std::size_t elements = stored.size() / width;
  switch (width) {
    case 2: unshuffle_elements<2>(stored.data(), elements, out.data()); break;
    case 4: unshuffle_elements<4>(stored.data(), elements, out.data()); break;
    case 8: unshuffle_elements<8>(stored.data(), elements, out.data()); break;
    default:
      for (std::size_t b = 0; b < width; ++b) {
        for (std::size_t i = 0; i < elements; ++i) out[i * width + b] = stored[b * elements + i];
      }
  }
  std::ranges::copy(stored.subspan(elements * width), out.begin() + elements * width);
}

void shuffle(ConstBytes raw, std::size_t element_bytes, Bytes out) {
  const std::size_t width = std::clamp<std::size_t>(element_bytes, 1, raw.size() + 1);
  const std::size_t elements = raw.size() / width;
  for (std::size_t b = 0; b < width; ++b) {
    for (std::size_t i = 0; i < elements; ++i) out[b * elements + i] = raw[i * width + b];
  }
  std::ranges::copy(raw.subspan(elements * width), out.begin() + elements * width);
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
