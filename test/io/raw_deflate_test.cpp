#include "io/raw_deflate.h"

#include <doctest/doctest.h>
#include <libdeflate.h>

#include <random>

#include "test/support/message_arrays.h"

using namespace pnflow;
using pnflow::test::reason_of;
using Buffer = std::vector<std::byte>;

namespace {

Buffer noisy_bytes(std::size_t count) {
  std::mt19937 random(5);
  Buffer bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 20);
  return bytes;
}

Buffer deflated(const Buffer& raw, int level) {
  libdeflate_compressor* const compressor = libdeflate_alloc_compressor(level);
  Buffer stored(libdeflate_deflate_compress_bound(compressor, raw.size()));
  stored.resize(libdeflate_deflate_compress(compressor, raw.data(), raw.size(), stored.data(),
                                            stored.size()));
  libdeflate_free_compressor(compressor);
  return stored;
}

}  // namespace

TEST_CASE("A raw deflate stream gives back what went in, and its beginning alone") {
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{100'000}}) {
    const Buffer raw = noisy_bytes(count);
    for (const int level : {1, 6, 12}) {
      const Buffer stored = deflated(raw, level);
      Buffer out(count);
      codecs::inflate_raw(stored, out);
      CHECK(out == raw);
      for (const std::size_t part : {std::size_t{0}, std::size_t{12}, count / 2, count + 5}) {
        Buffer beginning(part);
        const std::size_t known = codecs::inflate_raw_beginning(stored, beginning);
        CHECK(known == std::min(part, count));
        CHECK(std::equal(beginning.begin(), beginning.begin() + static_cast<long>(known),
                         raw.begin()));
      }
    }
  }
}

TEST_CASE("A raw deflate stream of another length, cut or corrupt is a damaged chunk") {
  const Buffer raw = noisy_bytes(5000);
  const Buffer stored = deflated(raw, 6);
  Buffer fewer(4999), more(5001), out(5000);
  CHECK(reason_of([&] { codecs::inflate_raw(stored, fewer); }) == "damaged chunk");
  CHECK(reason_of([&] { codecs::inflate_raw(stored, more); }) == "damaged chunk");
  const auto cut = std::span(stored).first(stored.size() / 2);
  CHECK(reason_of([&] { codecs::inflate_raw(cut, out); }) == "damaged chunk");
  CHECK(codecs::inflate_raw_beginning(cut, out) < out.size());
  const Buffer nonsense(100, std::byte{0xff});
  CHECK(reason_of([&] { codecs::inflate_raw(nonsense, out); }) == "damaged chunk");
  CHECK(reason_of([&] { codecs::inflate_raw_beginning(nonsense, out); }) == "damaged chunk");
  CHECK(codecs::inflate_raw_beginning({}, out) == 0);
}

TEST_CASE("No stream holds more than the ratio says, and the longest runs come close to it") {
  const Buffer zeros(10'000'000);
  const double ratio =
      static_cast<double>(zeros.size()) / static_cast<double>(deflated(zeros, 12).size());
  CHECK(ratio < codecs::max_deflate_ratio);
  CHECK(ratio > 0.95 * codecs::max_deflate_ratio);
}
