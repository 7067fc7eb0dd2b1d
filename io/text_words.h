#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace pnflow {

// The words of a line, between spaces and tabs: the first of them, and how many there are. The line
// must outlive it.
class TextWords {
 public:
  static constexpr std::size_t most_kept = 16;

  explicit TextWords(std::string_view line) {
    constexpr std::string_view spaces = " \t";
    for (std::size_t at = line.find_first_not_of(spaces); at != std::string_view::npos;) {
      const std::size_t end = std::min(line.find_first_of(spaces, at), line.size());
      if (count_ < most_kept) words_[count_] = line.substr(at, end - at);
      ++count_;
      at = line.find_first_not_of(spaces, end);
    }
  }

  std::size_t count() const { return count_; }
  // `index` is below most_kept; empty for a word that is not there.
  std::string_view operator[](std::size_t index) const { return words_[index]; }
  // `others` are not more than most_kept.
  bool are(std::span<const std::string_view> others) const {
    return count_ == others.size() && std::equal(others.begin(), others.end(), words_.begin());
  }

 private:
  std::array<std::string_view, most_kept> words_;
  std::size_t count_ = 0;
};

// What stands behind `key` and "=" or ":"; nothing in another line.
inline std::optional<std::string_view> value_of(std::string_view line, std::string_view key) {
  if (!line.starts_with(key)) return {};
  line.remove_prefix(key.size());
  const std::size_t start = line.find_first_not_of(" \t");
  if (start == std::string_view::npos || (line[start] != '=' && line[start] != ':')) return {};
  line.remove_prefix(start + 1);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return line;
}

}  // namespace pnflow
