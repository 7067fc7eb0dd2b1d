#include "graph/chain.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

namespace pnflow {

namespace {

constexpr std::string_view arrow = "->";
constexpr std::string_view blanks = " \t\n";

struct Name {
  std::string text;
  Mark mark;
};
using Group = std::vector<Name>;

class ChainReader {
 public:
  ChainReader(const Value& chain, Diagnostics& diagnostics)
      : text_(chain.text), mark_(chain.mark), diagnostics_(diagnostics) {
    // Where the line shows the text as it is, places inside of it can be pointed at.
    const std::string_view line = diagnostics.line_at(mark_);
    const auto column = static_cast<std::size_t>(mark_.column) - 1;
    const std::size_t found = line.find(text_, column);
    in_place_ = mark_.column > 0 && found <= column + 1;
    if (in_place_) mark_.column = static_cast<int>(found) + 1;
  }

  std::vector<Group> groups() {
    std::vector<Group> all;
    for (std::size_t begin = 0; begin <= text_.size();) {
      const std::size_t end = std::min(text_.find(arrow, begin), text_.size());
      all.push_back(group(begin, end));
      begin = end + arrow.size();
    }
    if (good_ && all.size() < 2) {
      fault(0, "a chain leads from one node to another", "such as a -> b -> c");
    }
    return all;
  }

  bool good() const { return good_; }

 private:
  Mark at(std::size_t offset) const {
    Mark mark = mark_;
    if (in_place_) mark.column += static_cast<int>(offset);
    return mark;
  }

  void fault(std::size_t offset, std::string message, std::string hint) {
    good_ = false;
    diagnostics_.error(at(offset), std::move(message), std::move(hint));
  }

  Group group(std::size_t begin, std::size_t end) {
    Group names;
    for (std::size_t from = begin; from <= end;) {
      const std::size_t comma = std::min(text_.find(',', from), end);
      words(from, comma, begin, names);
      from = comma + 1;
    }
    return names;
  }

  // What stands between two separators has to be one name.
  void words(std::size_t begin, std::size_t end, std::size_t group_begin, Group& names) {
    const std::size_t before = names.size();
    for (std::size_t i = text_.find_first_not_of(blanks, begin); i < end;) {
      const std::size_t stop = std::min(text_.find_first_of(blanks, i), end);
      names.push_back({std::string(text_.substr(i, stop - i)), at(i)});
      if (names.size() == before + 2) {
        fault(i,
              fmt::format("malformed chain: no '->' between '{}' and '{}'", names[before].text,
                          names.back().text),
              "such as a -> b -> c, or a -> b, c for two ways");
      }
      i = text_.find_first_not_of(blanks, stop);
    }
    if (names.size() != before) return;
    const bool last = end == text_.size();
    const bool first = begin == 0;
    const std::size_t separator = begin - (begin == group_begin ? arrow.size() : 1);
    if (first && last) {
      fault(0, "malformed chain: it is empty", "such as a -> b -> c");
    } else if (first) {
      fault(0, fmt::format("malformed chain: no node before '{}'", text_[end] == ',' ? "," : arrow),
            "such as a -> b -> c");
    } else {
      fault(
          separator,
          fmt::format("malformed chain: no node after '{}'", text_[separator] == ',' ? "," : arrow),
          "such as a -> b -> c");
    }
  }

  std::string_view text_;
  Mark mark_;
  Diagnostics& diagnostics_;
  bool in_place_ = false;
  bool good_ = true;
};

}  // namespace

void read_chain(const Value& chain, Topology& topology, Diagnostics& diagnostics) {
  if (!chain.is_scalar()) {
    diagnostics.error(chain.mark,
                      fmt::format("an edge is a chain of node names, not {}", chain.describe()),
                      "such as a -> b -> c");
    return;
  }
  ChainReader reader(chain, diagnostics);
  const auto groups = reader.groups();
  if (!reader.good()) {
    for (const Group& group : groups) {
      for (const Name& name : group) topology.half_connected.insert(name.text);
    }
    return;
  }
  for (std::size_t i = 1; i < groups.size(); ++i) {
    for (const Name& from : groups[i - 1]) {
      for (const Name& to : groups[i]) {
        topology.edges.push_back({from.text, to.text, from.mark, to.mark});
      }
    }
  }
}

}  // namespace pnflow
