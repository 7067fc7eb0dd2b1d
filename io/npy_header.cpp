#include "io/npy_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "graph/error.h"
#include "io/byte_order.h"

namespace pnflow {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t max_header_bytes = 10'000;
constexpr std::size_t max_axes = 64;  // NumPy 2's own

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The dictionary of a header, of which each key stands there once, in any order.
class NpyDictionary {
 public:
  explicit NpyDictionary(std::string_view text) : text_(text) {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr") {
        once(has_descr_, key);
        descr_ = descr();
      } else if (key == "fortran_order") {
        once(has_order_, key);
        fortran_order_ = boolean();
      } else if (key == "shape") {
        once(has_shape_, key);
        shape_ = shape();
      } else {
        damaged(fmt::format("unknown key {:?}", key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) damaged("more behind the dictionary");
    if (!has_descr_ || !has_order_ || !has_shape_) damaged("a key is missing");
  }

  std::string_view descr_text() const { return descr_; }
  bool is_fortran_order() const { return fortran_order_; }
  const Shape& extents() const { return shape_; }

 private:
  [[noreturn]] void damaged(const std::string& what) const {
    throw DataError("damaged metadata", fmt::format(".npy header, at {}: {}", at_, what));
  }
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) damaged(fmt::format("'{}' expected", c));
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void once(bool& seen, std::string_view key) const {
    if (seen) damaged(fmt::format("{} stands there twice", key));
    seen = true;
  }

  std::string_view string() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) damaged("a text without end");
    const std::string_view text = text_.substr(at_, end - at_);
    if (text.find('\\') != std::string_view::npos) damaged("an escaped character");
    at_ = end + 1;
    return text;
  }

  // Structured types, which are lists or tuples, are refused by what stands in their brackets.
  std::string_view descr() {
    skip_space();
    const std::string_view rest = text_.substr(at_);
    if (!rest.starts_with('[') && !rest.starts_with('(')) return string();
    std::size_t depth = 0;
    std::size_t end = 0;
    do {
      depth += rest[end] == '[' || rest[end] == '(' ? 1 : 0;
      depth -= rest[end] == ']' || rest[end] == ')' ? 1 : 0;
    } while (++end < rest.size() && depth > 0);
    at_ += end;
    return rest.substr(0, end);
  }

  bool boolean() {
    if (accept_word("True")) return true;
    if (accept_word("False")) return false;
    damaged("True or False expected");
  }

  std::size_t extent() {
    skip_space();
    if (accept('-')) throw DataError("wrong shape", ".npy header: a negative extent");
    const char* begin = text_.data() + at_;
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) {
      throw DataError("implausible size", ".npy header: an extent beyond 64 bits");
    }
    if (error != std::errc{} || (*begin == '0' && end - begin > 1)) damaged("a number expected");
    at_ += static_cast<std::size_t>(end - begin);
    return value;
  }

  // `()`, `(3,)`, `(3, 4)`, `(3, 4,)`; a tuple of one has its comma.
  Shape shape() {
    Shape extents;
    expect('(');
    while (!accept(')')) {
      if (extents.size() == max_axes) {
        throw DataError("wrong shape", fmt::format(".npy header: more than {} axes", max_axes));
      }
      extents.push_back(extent());
      if (!accept(',')) {
        if (extents.size() == 1) damaged("a shape that is no tuple");
        expect(')');
        break;
      }
    }
    return extents;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string_view descr_;
  bool fortran_order_ = false;
  Shape shape_;
  bool has_descr_ = false, has_order_ = false, has_shape_ = false;
};

}  // namespace

std::size_t npy_header_bytes(std::span<const std::byte> prefix) {
  const auto damaged = [](const std::string& what) { throw DataError("damaged metadata", what); };
  if (prefix.size() < npy_prefix_bytes || !as_text(prefix).starts_with(magic)) {
    damaged("not an .npy file");
  }
  const unsigned version = std::to_integer<unsigned>(prefix[magic.size()]);
  if (version < 1 || version > 3) damaged(fmt::format(".npy version {}", version));
  const auto length = prefix.subspan(magic.size() + 2);
  const std::size_t size = version == 1 ? std::size_t{10} + little_endian<std::uint16_t>(length)
                                        : std::size_t{12} + little_endian<std::uint32_t>(length);
  if (size > max_header_bytes) damaged(fmt::format(".npy header of {} bytes", size));
  return size;
}

std::size_t numpy_bytes(const NumpyType& type, const Shape& shape) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(elements_of(shape), type.bytes, &bytes)) {
    throw DataError("implausible size",
                    fmt::format("{} elements of {} bytes", to_string(shape), type.bytes));
  }
  return bytes;
}

NpyHeader parse_npy_header(std::span<const std::byte> npy) {
  const std::size_t size = npy_header_bytes(npy.first(std::min(npy.size(), npy_prefix_bytes)));
  if (size > npy.size()) {
    throw DataError("damaged metadata",
                    fmt::format(".npy header of {} bytes in a file of {}", size, npy.size()));
  }
  const bool first_version = npy[magic.size()] == std::byte{1};
  const NpyDictionary dictionary(as_text(npy.first(size)).substr(first_version ? 10 : 12));
  NpyHeader header;
  header.type = numpy_type(dictionary.descr_text());
  header.shape = dictionary.extents();
  header.header_bytes = size;
  header.data_bytes = numpy_bytes(header.type, header.shape);
  if (dictionary.is_fortran_order() && header.shape.size() > 1) {
    throw DataError(
        "unsupported layout",
        fmt::format("a {} array in Fortran order, where C order is read", to_string(header.shape)));
  }
  return header;
}

}  // namespace pnflow
