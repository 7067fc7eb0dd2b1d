#include <fmt/format.h>
#include <zfp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

#include "graph/error.h"
#include "io/codecs.h"
#include "io/scratch.h"

namespace pnflow::codecs {
namespace {

struct CloseBits {
  void operator()(bitstream* bits) const { stream_close(bits); }
};
struct CloseStream {
  void operator()(zfp_stream* stream) const { zfp_stream_close(stream); }
};
struct FreeField {
  void operator()(zfp_field* field) const { zfp_field_free(field); }
};
using Bits = std::unique_ptr<bitstream, CloseBits>;
using Stream = std::unique_ptr<zfp_stream, CloseStream>;
using Field = std::unique_ptr<zfp_field, FreeField>;

// libzfp reads whole words and checks no bounds.
constexpr std::size_t word_bytes = 8;
constexpr std::size_t slack_bytes = 64;
constexpr std::size_t max_header_values = 32;

std::optional<zfp_type> zfp_type_of(DType dtype) {
  switch (dtype) {
    case DType::i32:
    case DType::u32: return zfp_type_int32;
    case DType::i64:
    case DType::u64: return zfp_type_int64;
    case DType::f32: return zfp_type_float;
    case DType::f64: return zfp_type_double;
    default: return std::nullopt;
  }
}

// Sets mode, scalar type and extents from the filter's client values.
void read_header(zfp_stream* stream, zfp_field* field, std::span<const unsigned> header) {
  std::array<unsigned, max_header_values + slack_bytes / sizeof(unsigned)> words{};
  if (header.size() < 2 || header.size() > max_header_values) {
    throw DataError("damaged chunk", fmt::format("ZFP header of {} words", header.size()));
  }
  std::ranges::copy(header.subspan(1), words.begin());
  const Bits bits(stream_open(words.data(), sizeof(words)));
  zfp_stream_set_bit_stream(stream, bits.get());
  const bool valid = zfp_read_header(stream, field, ZFP_HEADER_FULL) != 0;
  zfp_stream_set_bit_stream(stream, nullptr);
  if (!valid) throw DataError("damaged chunk", "ZFP header is corrupt or of another codec version");
}

}  // namespace

void zfp_decode_chunk(ConstBytes stored, std::span<const unsigned> header, DType dtype, Bytes out) {
  const Stream stream(zfp_stream_open(nullptr));
  const Field field(zfp_field_alloc());
  if (!stream || !field) throw std::bad_alloc();
  read_header(stream.get(), field.get(), header);
  if (zfp_type_of(dtype) != field->type ||
      zfp_field_size(field.get(), nullptr) != out.size() / size_of(dtype)) {
    throw DataError("damaged chunk",
                    fmt::format("ZFP header says {} values of type {}, expected {} of {}",
                                zfp_field_size(field.get(), nullptr), static_cast<int>(field->type),
                                out.size() / size_of(dtype), name_of(dtype)));
  }
  // The decoder may read up to this many bytes whatever the stream holds, so it gets a copy with
  // that much zeroed room behind; a stream that used more than it had is damaged.
  const std::size_t most = zfp_stream_maximum_size(stream.get(), field.get());
  constexpr std::size_t small = std::size_t{64} << 20U;
  if (most > small + 16 * out.size() || stored.size() > most + slack_bytes) {
    throw DataError("damaged chunk", fmt::format("{} bytes of ZFP stream for {} bytes of pixels",
                                                 stored.size(), out.size()));
  }
  thread_local Scratch scratch;
  const Bytes padded = scratch.take((most + 2 * slack_bytes) / word_bytes * word_bytes);
  if (!stored.empty()) std::memcpy(padded.data(), stored.data(), stored.size());
  std::memset(padded.data() + stored.size(), 0, padded.size() - stored.size());

  const Bits bits(stream_open(padded.data(), padded.size()));
  zfp_stream_set_bit_stream(stream.get(), bits.get());
  zfp_stream_rewind(stream.get());
  zfp_field_set_pointer(field.get(), out.data());
  const std::size_t used = zfp_decompress(stream.get(), field.get());
  zfp_stream_set_bit_stream(stream.get(), nullptr);
  // ZFP has no checksum; that the pixels use up the stream is all that can be asked.
  const auto whole_words = [](std::size_t bytes) { return (bytes + word_bytes - 1) / word_bytes; };
  if (used == 0 || whole_words(used) != whole_words(stored.size())) {
    throw DataError("damaged chunk",
                    fmt::format("ZFP stream of {} bytes, the pixels took {}", stored.size(), used));
  }
}

}  // namespace pnflow::codecs
