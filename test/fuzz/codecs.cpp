// Input: which codec (1 byte), bytes of the result (2), bytes of an element (1), elements of a
// block (2), filters that were left out (1); six numbers (4 bytes each) that describe a filter;
// then what is stored.

#include "io/codecs.h"

#include <array>
#include <cstdlib>

#include "io/filters.h"
#include "io/raw_deflate.h"
#include "test/fuzz/fuzz_input.h"
#include "test/fuzz/read_message.h"

namespace pnflow::fuzz {
namespace {

struct Settings {
  explicit Settings(FuzzInput& input)
      : codec(input.number(1)),
        result_bytes(input.number(2)),
        element_bytes(input.number(1)),
        block_elements(input.number(2)),
        filter_mask(input.number(1)) {
    for (unsigned& value : values) value = input.number(4);
  }
  unsigned codec;
  std::size_t result_bytes, element_bytes, block_elements;
  unsigned filter_mask;
  std::array<unsigned, 6> values{};
};

// What pnflow and the bitshuffle library encode must come back.
void check_bitshuffle(std::span<const std::byte> raw, std::size_t element_bytes,
                      codecs::BitshuffleCompressor compressor) {
  if (element_bytes == 0) return;
  raw = raw.first(raw.size() / element_bytes * element_bytes);
  if (raw.empty()) return;
  const auto stored = codecs::bitshuffle_encode_chunk(raw, element_bytes, compressor);
  std::vector<std::byte> out(raw.size());
  codecs::bitshuffle_decode_chunk(stored, element_bytes, compressor, out);
  if (!std::ranges::equal(out, raw)) std::abort();
}

void decode(const Settings& s, std::span<const std::byte> stored, std::span<std::byte> out) {
  using enum codecs::BitshuffleCompressor;
  const auto compressor = std::array{none, lz4, zstd}[s.filter_mask % 3];
  const auto dtype = static_cast<DType>(s.element_bytes % 10);
  const std::vector<unsigned> values(s.values.begin(), s.values.end());
  switch (s.codec % 10) {
    case 0: static_cast<void>(codecs::inflate(stored, out)); break;
    case 1: codecs::inflate_raw(stored, out); break;
    case 2:
      if (codecs::inflate_raw_beginning(stored, out) > out.size()) std::abort();
      break;
    case 3:
      codecs::unshuffle(stored, s.element_bytes, out.first(std::min(stored.size(), out.size())));
      break;
    case 4: static_cast<void>(codecs::fletcher32(stored)); break;
    case 5:
      codecs::bitshuffle_decode(stored, s.element_bytes, s.block_elements, compressor, out);
      break;
    case 6: codecs::bitshuffle_decode_chunk(stored, s.element_bytes, compressor, out); break;
    case 7: codecs::zfp_decode_chunk(stored, values, dtype, out); break;
    case 8:
      check_bitshuffle(stored, s.element_bytes % 17, s.filter_mask % 2 == 0 ? lz4 : zstd);
      break;
    default: {
      constexpr std::array ids = {filter_id::deflate, filter_id::shuffle, filter_id::fletcher32,
                                  filter_id::bitshuffle, filter_id::zfp};
      std::vector<Filter> pipeline;
      // As a message lists them: which filters, three bits each.
      for (std::size_t which = s.block_elements; which != 0; which >>= 3U) {
        const std::size_t number = which & 7U;
        if (number == 0 || number > ids.size()) continue;
        pipeline.push_back({ids[number - 1], "", values});
        if (!can_decode(pipeline.back())) return;
      }
      decode_chunk(pipeline, s.filter_mask, dtype, stored, out);
    }
  }
}

}  // namespace
}  // namespace pnflow::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pnflow;
  fuzz::FuzzInput input(data, size);
  const fuzz::Settings settings(input);
  // Of its own size, so that a byte too many is seen.
  const auto out = std::make_unique_for_overwrite<std::byte[]>(settings.result_bytes);
  fuzz::ignoring_data_errors([&] {
    fuzz::decode(settings, input.rest(), {out.get(), settings.result_bytes});
  });
  return 0;
}
