#include "io/raw_deflate.h"

#include <fmt/format.h>
#include <libdeflate.h>
#define ZLIB_CONST  // zlib reads its input and says so
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

#include "graph/error.h"
#include "io/thread_decompressor.h"

namespace pnflow::codecs {
namespace {

// zlib's state, for streams that are read from their beginning and not to their end.
class RawInflater {
 public:
  RawInflater() {
    if (inflateInit2(&stream_, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  RawInflater(const RawInflater&) = delete;
  RawInflater& operator=(const RawInflater&) = delete;
  ~RawInflater() { inflateEnd(&stream_); }

  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
};

}  // namespace

void inflate_raw(ConstBytes stored, Bytes out) {
  const auto result = libdeflate_deflate_decompress(thread_decompressor(), stored.data(),
                                                    stored.size(), out.data(), out.size(), nullptr);
  check_inflated(result, stored.size(), out.size());
}

std::size_t inflate_raw_beginning(ConstBytes stored, Bytes out) {
  if (out.empty()) return 0;
  RawInflater inflater;
  z_stream& stream = inflater.stream();
  constexpr std::size_t most = std::numeric_limits<uInt>::max();
  stream.next_in = reinterpret_cast<const Bytef*>(stored.data());
  stream.avail_in = static_cast<uInt>(std::min(stored.size(), most));
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(std::min(out.size(), most));
  const int status = ::inflate(&stream, Z_SYNC_FLUSH);
  // Z_BUF_ERROR: there was neither input nor room for anything.
  if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
    throw DataError("damaged chunk",
                    fmt::format("deflate stream of {} bytes is corrupt", stored.size()));
  }
  return stream.total_out;
}

}  // namespace pnflow::codecs
