#include "io/line_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/error.h"

namespace pnflow {
namespace {

constexpr std::size_t first_buffer = std::size_t{64} << 10;

std::string_view without_end(std::string_view line) {
  const std::size_t last = line.find_last_not_of(" \t\r");
  return last == std::string_view::npos ? std::string_view() : line.substr(0, last + 1);
}

}  // namespace

std::optional<std::string_view> LineReader::next() {
  for (std::size_t searched = 0;;) {
    const std::string_view rest(buffer_.data() + begin_, end_ - begin_);
    const std::size_t end = rest.find('\n', searched);
    if (end != std::string_view::npos) {
      begin_ += end + 1;
      ++number_;
      return without_end(rest.substr(0, end));
    }
    searched = rest.size();
    if (searched >= longest_line) {
      begin_ = end_;
      throw DataError("line too long", fmt::format("line {}: more than {} MiB without an end",
                                                   number_ + 1, longest_line >> 20));
    }
    if (fill()) continue;
    if (rest.empty()) return {};
    begin_ = end_;
    ++number_;
    return without_end(std::string_view(buffer_.data(), searched));
  }
}

// What is left moves to the front.
bool LineReader::fill() {
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
            buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
  end_ -= begin_;
  begin_ = 0;
  if (end_ == buffer_.size()) buffer_.resize(std::max(first_buffer, 2 * end_));
  in_.read(buffer_.data() + end_, static_cast<std::streamsize>(buffer_.size() - end_));
  const auto count = static_cast<std::size_t>(in_.gcount());
  end_ += count;
  return count > 0;
}

}  // namespace pnflow
