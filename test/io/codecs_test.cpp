#include "io/codecs.h"

#include <doctest/doctest.h>

#include <array>
#include <random>

#include "graph/error.h"
#include "io/byte_order.h"
#include "io/filters.h"

using namespace pnflow;

namespace {

using Buffer = std::vector<std::byte>;

// Small numbers with noise, as a detector gives them.
Buffer detector_bytes(std::size_t count) {
  std::mt19937 random(7);
  Buffer bytes(count);
  for (std::size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<std::byte>(i % 2 == 0 ? random() % 16 : random() % 50 == 0);
  }
  return bytes;
}

std::string reason_of(const auto& action) {
  try {
    action();
  } catch (const DataError& error) {
    return error.reason();
  }
  return "none";
}

}  // namespace

TEST_CASE("Deflate and its inverse give back what went in") {
  const Buffer raw = detector_bytes(10000);
  const Buffer stored = codecs::deflate(raw, 3);
  CHECK(stored.size() < raw.size());
  Buffer out(raw.size());
  CHECK(codecs::inflate(stored, out) == raw.size());
  CHECK(out == raw);
}

TEST_CASE("A deflate stream that is cut, changed or too long is a damaged chunk") {
  const Buffer raw = detector_bytes(10000);
  Buffer stored = codecs::deflate(raw, 3);
  Buffer out(raw.size());
  const std::span<const std::byte> all(stored);
  CHECK(reason_of([&] { codecs::inflate(all.first(all.size() / 2), out); }) == "damaged chunk");
  CHECK(reason_of([&] { codecs::inflate({}, out); }) == "damaged chunk");
  CHECK(reason_of([&] { codecs::inflate(all, std::span(out).first(9999)); }) == "damaged chunk");
  stored[stored.size() / 2] ^= std::byte{0x10};
  CHECK(reason_of([&] { codecs::inflate(stored, out); }) == "damaged chunk");
}

TEST_CASE("Shuffle and its inverse give back what went in, whatever the width") {
  for (const std::size_t width : {0U, 1U, 2U, 3U, 4U, 8U, 1000U, 4'000'000'000U}) {
    CAPTURE(width);
    const Buffer raw = detector_bytes(101);
    Buffer stored(raw.size());
    Buffer out(raw.size());
    codecs::shuffle(raw, width, stored);
    codecs::unshuffle(stored, width, out);
    CHECK(out == raw);
  }
  for (const std::size_t width : {1U, 2U, 3U, 4U, 8U, 12U}) {
    for (const std::size_t elements : {15U, 16U, 17U, 1000U, 300'001U}) {
      CAPTURE(width);
      CAPTURE(elements);
      const Buffer raw = detector_bytes(elements * width + 1);  // and a rest
      Buffer stored(raw.size());
      Buffer out(raw.size());
      codecs::shuffle(raw, width, stored);
      bool planes = stored.back() == raw.back();
      for (std::size_t i = 0; i < elements * width; ++i) {
        planes = planes && stored[i % width * elements + i / width] == raw[i];
      }
      CHECK(planes);
      codecs::unshuffle(stored, width, out);
      CHECK(out == raw);
    }
  }
  const std::array<std::byte, 4> raw = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  Buffer stored(4);
  codecs::shuffle(raw, 2, stored);
  CHECK(stored == Buffer{std::byte{1}, std::byte{3}, std::byte{2}, std::byte{4}});
}

TEST_CASE("Bitshuffle chunks give back what went in, with and without a rest of 8 elements") {
  for (const auto compressor :
       {codecs::BitshuffleCompressor::lz4, codecs::BitshuffleCompressor::zstd}) {
    for (const std::size_t elements : {1U, 7U, 8U, 7905U, 8192U, 40001U}) {
      for (const std::size_t width : {1U, 2U, 4U, 8U}) {
        CAPTURE(elements);
        CAPTURE(width);
        const Buffer raw = detector_bytes(elements * width);
        const Buffer stored = codecs::bitshuffle_encode_chunk(raw, width, compressor);
        Buffer out(raw.size());
        codecs::bitshuffle_decode_chunk(stored, width, compressor, out);
        CHECK(out == raw);
      }
    }
  }
}

TEST_CASE("A bitshuffle chunk whose header or blocks lie is a damaged chunk") {
  const auto lz4 = codecs::BitshuffleCompressor::lz4;
  const Buffer raw = detector_bytes(40000);
  const Buffer good = codecs::bitshuffle_encode_chunk(raw, 2, lz4);
  Buffer out(raw.size());
  const auto reason = [&](const Buffer& stored) {
    return reason_of([&] { codecs::bitshuffle_decode_chunk(stored, 2, lz4, out); });
  };
  CHECK(reason(good) == "none");
  for (const std::size_t size : {0U, 11U, 12U, 15U, 16U, 100U}) {
    CHECK(reason(Buffer(good.begin(), good.begin() + size)) == "damaged chunk");
  }
  Buffer longer = good;
  longer.push_back({});
  CHECK(reason(longer) == "damaged chunk");
  for (const std::uint64_t total : {std::uint64_t{0}, std::uint64_t{39998}, ~std::uint64_t{0}}) {
    Buffer bad = good;
    put_big_endian(total, bad);
    CHECK(reason(bad) == "damaged chunk");
  }
  for (const std::uint32_t block : {0U, 1U, 2U, 14U, 0xffffffffU, 0xfffffff0U}) {
    Buffer bad = good;
    put_big_endian(block, std::span(bad).subspan(8));
    CHECK(reason(bad) == "damaged chunk");
  }
  for (const std::uint32_t size : {0U, 1U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    Buffer bad = good;
    put_big_endian(size, std::span(bad).subspan(12));
    CHECK(reason(bad) == "damaged chunk");
  }
}

TEST_CASE("Fletcher-32 of odd and even lengths is that of HDF5") {
  // Sums of big-endian words: 0x0102 + 0x0304, then 0x0102 + (0x0102 + 0x0304).
  const Buffer even = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  CHECK(codecs::fletcher32(even) == 0x05080406U);
  const Buffer odd = {std::byte{1}, std::byte{2}, std::byte{3}};
  CHECK(codecs::fletcher32(odd) == 0x05040402U);
}

TEST_CASE("A ZFP header that is missing, foreign or of another shape is a damaged chunk") {
  Buffer out(88 * 96 * 4);
  const Buffer stored(100);
  const std::vector<std::vector<unsigned>> headers = {
      {},
      {1},
      {1, 2, 3, 4, 5, 6},
      std::vector<unsigned>(100),
      {269504785, 91252346, 1879049716, 4293918725, 3767042048, 493487}};
  for (const auto& header : headers) {
    CHECK(reason_of([&] { codecs::zfp_decode_chunk(stored, header, DType::f32, out); }) ==
          "damaged chunk");
  }
}

TEST_CASE("Two compressors in one pipeline are refused by name") {
  const std::vector<Filter> pipeline = {{filter_id::deflate, "", {3}},
                                        {filter_id::deflate, "", {3}}};
  Buffer out(100);
  const Buffer stored(20);
  CHECK(reason_of([&] { decode_chunk(pipeline, 0, DType::u8, stored, out); }) ==
        "unknown filter 1");
}
