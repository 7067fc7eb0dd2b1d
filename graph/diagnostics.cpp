#include "graph/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace pnflow {

namespace {

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Blanks as wide as the first `bytes` bytes of the line: tabs stay tabs, and the bytes that
// continue a character of UTF-8 take no room.
std::string indent_like(std::string_view line, std::size_t bytes) {
  std::string indent;
  for (std::size_t i = 0; i < bytes; ++i) {
    const char c = i < line.size() ? line[i] : ' ';
    if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) indent += c == '\t' ? '\t' : ' ';
  }
  return indent;
}

std::string counted(std::size_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

// Optimal string alignment distance: insertions, deletions, replacements, swapped neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

int Diagnostics::add_text(std::string name, std::string_view text) {
  texts_.push_back({std::move(name), split_lines(text)});
  return static_cast<int>(texts_.size()) - 1;
}

std::string_view Diagnostics::text_name(Mark at) const {
  if (at.file < 0 || std::cmp_greater_equal(at.file, texts_.size())) return {};
  return texts_[static_cast<std::size_t>(at.file)].name;
}

std::string_view Diagnostics::line_at(Mark at) const {
  if (at.file < 0 || at.line < 1 || std::cmp_greater_equal(at.file, texts_.size())) return {};
  const auto& lines = texts_[static_cast<std::size_t>(at.file)].lines;
  return std::cmp_greater(at.line, lines.size()) ? std::string_view{}
                                                 : lines[static_cast<std::size_t>(at.line) - 1];
}

void Diagnostics::error(Mark at, std::string message, std::string hint) {
  add({at, true, std::move(message), std::move(hint)});
}

void Diagnostics::warning(Mark at, std::string message, std::string hint) {
  add({at, false, std::move(message), std::move(hint)});
}

// A value that serves several nodes is judged once for each; one message is enough.
void Diagnostics::add(Entry entry) {
  const auto same = [&](const Entry& other) {
    return other.at == entry.at && other.message == entry.message;
  };
  if (std::ranges::any_of(entries_, same)) return;
  if (entry.is_error) ++errors_;
  entries_.push_back(std::move(entry));
}

std::string Diagnostics::render() const {
  if (entries_.empty()) return {};
  auto entries = entries_;
  std::ranges::stable_sort(
      entries, {}, [](const Entry& e) { return std::tuple(e.at.file, e.at.line, e.at.column); });
  std::string out;
  const auto to = std::back_inserter(out);
  for (const Entry& entry : entries) out += render(entry);
  const std::size_t warnings = entries_.size() - errors_;
  if (errors_ != 0) out += counted(errors_, "error");
  if (warnings != 0)
    fmt::format_to(to, "{}{}", errors_ != 0 ? ", " : "", counted(warnings, "warning"));
  return out + "\n";
}

std::string Diagnostics::render(const Entry& entry) const {
  std::string out;
  const auto to = std::back_inserter(out);
  const Mark at = entry.at;
  out += text_name(at);
  if (at.line > 0) fmt::format_to(to, ":{}:{}", at.line, at.column);
  fmt::format_to(to, "{}{}: {}\n", out.empty() ? "" : ": ", entry.is_error ? "error" : "warning",
                 entry.message);
  if (const std::string_view line = line_at(at); !line.empty() && at.column > 0) {
    const auto before = static_cast<std::size_t>(at.column) - 1;
    fmt::format_to(to, "  {}\n  {}^\n", line, indent_like(line, before));
  }
  for (const std::string& line : split_lines(entry.hint)) fmt::format_to(to, "  {}\n", line);
  return out;
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known) {
  const std::size_t far = std::max<std::size_t>(1, word.size() / 3) + 1;
  std::size_t best_distance = far;
  std::optional<std::string> best;
  for (const std::string& candidate : known) {
    if (const std::size_t d = distance(word, candidate); d < best_distance) {
      best_distance = d;
      best = candidate;
    }
  }
  return best;
}

std::string suggest(std::string_view word, std::span<const std::string> known) {
  if (known.empty()) return {};
  if (const auto near = nearest(word, known)) return fmt::format("did you mean '{}'?", *near);
  return fmt::format("known: {}", fmt::join(known, ", "));
}

}  // namespace pnflow
