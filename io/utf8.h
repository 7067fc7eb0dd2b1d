#pragma once

#include <string>
#include <string_view>

namespace pnflow {

// Appends a code point as UTF-8. False, and nothing appended, for what is none: surrogates and
// numbers above 0x10FFFF.
bool append_utf8(char32_t code_point, std::string& text);

// Whether the bytes are UTF-8: shortest forms only, no surrogates (RFC 3629).
bool is_utf8(std::string_view bytes);

// UTF-8 that fits into a line: at least one character, no control characters of ASCII.
bool is_one_line(std::string_view bytes);

}  // namespace pnflow
