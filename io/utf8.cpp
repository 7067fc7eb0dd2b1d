#include "io/utf8.h"

#include <algorithm>
#include <cstddef>

namespace pnflow {

bool append_utf8(char32_t code_point, std::string& text) {
  const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (surrogate || code_point > 0x10ffff) return false;
  const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  const auto put_tail = [&](unsigned shift) { put(0x80 | (code_point >> shift & 0x3fU)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xc0 | code_point >> 6U);
    put_tail(0);
  } else if (code_point < 0x10000) {
    put(0xe0 | code_point >> 12U);
    put_tail(6);
    put_tail(0);
  } else {
    put(0xf0 | code_point >> 18U);
    put_tail(12);
    put_tail(6);
    put_tail(0);
  }
  return true;
}

bool is_utf8(std::string_view bytes) {
  std::string again;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto first = static_cast<unsigned char>(bytes[at]);
    const std::size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (length > bytes.size() - at) return false;
    char32_t code_point = length == 1 ? first : first & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
      code_point = code_point << 6U | (static_cast<unsigned char>(bytes[at + i]) & 0x3fU);
    }
    // Whatever is not in its one valid form is written differently.
    again.clear();
    if (!append_utf8(code_point, again) || again != bytes.substr(at, length)) return false;
    at += length;
  }
  return true;
}

bool is_one_line(std::string_view bytes) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  return !bytes.empty() && std::ranges::none_of(bytes, is_control) && is_utf8(bytes);
}

}  // namespace pnflow
