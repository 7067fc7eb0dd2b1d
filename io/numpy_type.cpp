#include "io/numpy_type.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

#include "graph/error.h"
#include "io/byte_order.h"
#include "io/large_copy.h"
#include "io/utf8.h"

namespace pnflow {
namespace {

constexpr std::size_t code_point_bytes = 4;
constexpr std::size_t max_text_length = 1U << 20U;

std::optional<std::size_t> parse_size(std::string_view digits) {
  std::size_t size = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, size);
  if (error != std::errc{} || stopped != end || digits.starts_with('0')) return std::nullopt;
  return size;
}

std::optional<DType> number_type(char kind, std::size_t bytes) {
  switch (kind) {
    case 'b':
      if (bytes == 1) return DType::u8;
      break;
    case 'f':
      if (bytes == 4) return DType::f32;
      if (bytes == 8) return DType::f64;
      break;
    case 'u':
    case 'i': return dtype_named(fmt::format("{}{}", kind == 'u' ? "uint" : "int", 8 * bytes));
    default: break;
  }
  return std::nullopt;
}

std::optional<NumpyType> parse(std::string_view name) {
  if (name.size() < 3) return std::nullopt;
  const char order = name[0];
  const char kind = name[1];
  const auto size = parse_size(name.substr(2));
  if (!size || *size > max_text_length || (order != '<' && order != '>' && order != '|')) {
    return std::nullopt;
  }
  NumpyType type;
  type.bytes = *size;
  if (kind == 'S') {
    type.kind = NumpyType::Kind::bytes;
  } else if (kind == 'U') {
    type.kind = NumpyType::Kind::characters;
    type.bytes *= code_point_bytes;
  } else {
    const auto dtype = number_type(kind, *size);
    if (!dtype) return std::nullopt;
    type.dtype = *dtype;
  }
  const bool ordered = type.bytes > 1 && type.kind != NumpyType::Kind::bytes;
  if (ordered && order == '|') return std::nullopt;
  constexpr char other_order = std::endian::native == std::endian::little ? '>' : '<';
  type.swapped = ordered && order == other_order;
  return type;
}

std::uint16_t swapped(std::uint16_t word) { return __builtin_bswap16(word); }
std::uint32_t swapped(std::uint32_t word) { return __builtin_bswap32(word); }
std::uint64_t swapped(std::uint64_t word) { return __builtin_bswap64(word); }

template <class Word>
void copy_swapped(std::span<const std::byte> stored, std::span<std::byte> out) {
  for (std::size_t at = 0; at + sizeof(Word) <= out.size(); at += sizeof(Word)) {
    Word word = 0;
    std::memcpy(&word, stored.data() + at, sizeof word);
    word = swapped(word);
    std::memcpy(out.data() + at, &word, sizeof word);
  }
}

}  // namespace

NumpyType numpy_type(std::string_view name) {
  constexpr std::size_t shown = 60;
  if (const auto type = parse(name)) return *type;
  throw DataError("wrong dtype", fmt::format("NumPy type {:?}{}", name.substr(0, shown),
                                             name.size() > shown ? "..." : ""));
}

void copy_numbers(const NumpyType& type, std::span<const std::byte> stored,
                  std::span<std::byte> out) {
  if (out.empty()) return;
  if (!type.swapped) {
    copy_pixels(stored.first(out.size()), out);
    return;
  }
  switch (type.bytes) {
    case sizeof(std::uint16_t): copy_swapped<std::uint16_t>(stored, out); break;
    case sizeof(std::uint32_t): copy_swapped<std::uint32_t>(stored, out); break;
    default: copy_swapped<std::uint64_t>(stored, out);
  }
}

std::string numpy_text(const NumpyType& type, std::span<const std::byte> element) {
  std::string text;
  bool valid = true;
  if (type.kind == NumpyType::Kind::bytes) {
    text.assign(reinterpret_cast<const char*>(element.data()), element.size());
    valid = is_utf8(text);
  } else {
    const bool big = type.swapped == (std::endian::native == std::endian::little);
    for (; element.size() >= code_point_bytes; element = element.subspan(code_point_bytes)) {
      const auto number =
          big ? big_endian<std::uint32_t>(element) : little_endian<std::uint32_t>(element);
      valid = append_utf8(number, text) && valid;
    }
  }
  if (!valid) throw DataError("damaged chunk", "text with characters that do not exist");
  text.resize(text.find_last_not_of('\0') + 1);
  return text;
}

}  // namespace pnflow
