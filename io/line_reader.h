#pragma once

#include <cstddef>
#include <istream>
#include <optional>
#include <string>
#include <string_view>

namespace pnflow {

// The lines of a text of any length, one at a time: no more than the longest line is in memory.
// For one thread.
class LineReader {
 public:
  static constexpr std::size_t longest_line = std::size_t{4} << 20;  // bytes

  // `in` must outlive it.
  explicit LineReader(std::istream& in) : in_(in) {}

  // The next line without its end, which may be that of DOS, and without spaces there; valid until
  // the next call. Nothing at the end. Throws DataError("line too long") and goes on behind the
  // part that it has seen.
  std::optional<std::string_view> next();
  // Of the line that was given last, counted from 1.
  std::size_t number() const { return number_; }

 private:
  bool fill();

  std::istream& in_;
  std::string buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what was read and not given
  std::size_t number_ = 0;
};

}  // namespace pnflow
