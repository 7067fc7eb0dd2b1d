#include "graph/include.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <ranges>
#include <vector>

#include "graph/config.h"
#include "graph/text_file.h"

namespace pnflow {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view include_key = "include";

class Includer {
 public:
  explicit Includer(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void take_in(Value& graph, const fs::path& file) {
    const auto* found = graph.find_entry(include_key);
    if (found == nullptr) return;
    const Value names = found->value;
    for (const auto& entry : graph.entries) {
      if (entry.key == include_key) check_first(graph, entry);
    }
    std::erase_if(graph.entries, [](const auto& entry) { return entry.key == include_key; });
    open_.push_back(fs::absolute(file).lexically_normal());
    if (names.is_list()) {
      for (const Value& name : names.items | std::views::reverse) take_in_one(graph, name, file);
    } else {
      take_in_one(graph, names, file);
    }
    open_.pop_back();
  }

 private:
  void take_in_one(Value& graph, const Value& name, const fs::path& from) {
    if (!name.is_scalar()) {
      diagnostics_.error(name.mark, fmt::format("'include' is the name of a file or a list of "
                                                "them, not {}",
                                                name.describe()));
      return;
    }
    const fs::path file = (from.parent_path() / name.text).lexically_normal();
    if (std::ranges::find(open_, fs::absolute(file)) != open_.end()) {
      diagnostics_.error(name.mark, fmt::format("'{}' includes itself", file.string()));
      return;
    }
    const auto text = read_text_file(file);
    if (!text) {
      diagnostics_.error(name.mark, fmt::format("cannot read '{}'", file.string()),
                         "the name is relative to the file that it stands in");
      return;
    }
    Value included = read_yaml(*text, diagnostics_.add_text(file.string(), *text), diagnostics_);
    if (!included.is_map()) {
      diagnostics_.error(name.mark,
                         fmt::format("'{}' is not a map of keys of a graph", file.string()));
      return;
    }
    take_in(included, file);
    merge(graph, included);
  }

  // Puts what `map` lacks of `other` into it. Afterwards nobody could tell a key that `other` has
  // twice from one that both have.
  void merge(Value& map, const Value& other) {
    for (const auto& entry : other.entries) {
      if (!check_first(other, entry)) continue;
      const auto own = std::ranges::find(map.entries, entry.key, &Value::Entry::key);
      if (own == map.entries.end()) {
        map.entries.push_back(entry);
      } else if (own->value.is_map() && entry.value.is_map()) {
        merge(own->value, entry.value);
      }
    }
  }

  // Whether the entry is the first of its key; a fault if not.
  bool check_first(const Value& map, const Value::Entry& entry) {
    const Mark first = map.find_entry(entry.key)->key_mark;
    if (first == entry.key_mark) return true;
    diagnostics_.error(entry.key_mark, fmt::format("key '{}' is repeated", entry.key),
                       fmt::format("it is already at {}:{}", first.line, first.column));
    return false;
  }

  Diagnostics& diagnostics_;
  std::vector<fs::path> open_;  // files that are being read, from the graph's on
};

}  // namespace

void take_in_includes(Value& graph, const std::string& file, Diagnostics& diagnostics) {
  Includer(diagnostics).take_in(graph, file);
}

}  // namespace pnflow
