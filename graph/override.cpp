// `--set node.param=value`.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "graph/config.h"

namespace pnflow {

namespace {

constexpr std::string_view detector = "detector";

struct Word {
  std::string text;
  Mark mark;
};

std::vector<Word> words_of(std::string_view path, int file) {
  std::vector<Word> words;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    words.push_back(
        {std::string(path.substr(begin, end - begin)), {file, 1, static_cast<int>(begin) + 1}});
    begin = end + 1;
  }
  return words;
}

Value::Entry* entry_of(Value& map, std::string_view key) {
  for (auto& entry : map.entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

// The value under `key`, made when there is none.
Value& at_key(Value& map, const Word& key) {
  if (Value::Entry* entry = entry_of(map, key.text)) {
    entry->key_mark = key.mark;
    return entry->value;
  }
  map.entries.push_back({key.text, key.mark, {}});
  return map.entries.back().value;
}

// The map in which the second word of a path is looked up; nullptr, and a fault, when it is none.
Value* find_owner(Value& graph, const Word& word, Diagnostics& diagnostics) {
  Value::Entry* const nodes = entry_of(graph, "nodes");
  if (nodes != nullptr) {
    if (Value::Entry* node = entry_of(nodes->value, word.text)) return &node->value;
  }
  if (word.text == detector) {
    Value& map = at_key(graph, word);
    map.kind = Value::Kind::map;
    return &map;
  }
  std::vector<std::string> names;
  if (nodes != nullptr) {
    for (const auto& entry : nodes->value.entries) names.push_back(entry.key);
  }
  diagnostics.error(word.mark, fmt::format("--set: there is no node '{}'", word.text),
                    suggest(word.text, names));
  return nullptr;
}

}  // namespace

void apply_override(Value& graph, const std::string& assignment, Diagnostics& diagnostics) {
  const int file = diagnostics.add_text("--set", assignment);
  const std::size_t equals = assignment.find('=');
  const std::string_view path = std::string_view(assignment).substr(0, equals);
  const auto words = words_of(path, file);
  for (const Word& word : words) {
    const bool wrong = word.text.empty() || word.text.find_first_of(" \t") != std::string::npos;
    if (wrong || equals == std::string::npos) {
      diagnostics.error(wrong ? word.mark : Mark{file, 1, static_cast<int>(assignment.size()) + 1},
                        "--set needs the form node.parameter=value",
                        "such as --set q1.capacity=4, or --set window=8");
      return;
    }
  }
  const Mark value_mark{file, 1, static_cast<int>(equals) + 2};
  const std::size_t before = diagnostics.errors();
  Value value =
      read_yaml_at(std::string_view(assignment).substr(equals + 1), value_mark, diagnostics);
  if (diagnostics.errors() != before) return;
  if (value.is_null()) value.mark = words.back().mark;
  if (!graph.is_map()) return;

  const Value* nodes = graph.find("nodes");
  if (words.size() == 1 && nodes != nullptr && nodes->find(words.front().text) != nullptr) {
    diagnostics.error(
        words.front().mark,
        fmt::format("--set: '{}' is a node; name a parameter of it", words.front().text));
    return;
  }
  Value* target = &graph;
  if (words.size() > 1) target = find_owner(graph, words.front(), diagnostics);
  if (target == nullptr) return;
  for (std::size_t i = words.size() > 1 ? 1 : 0; i < words.size(); ++i) {
    if (!target->is_map()) {
      if (!target->is_null()) {
        diagnostics.error(words[i].mark, fmt::format("--set: '{}' is not a map, but {}",
                                                     words[i - 1].text, target->describe()));
        return;
      }
      target->kind = Value::Kind::map;
      target->mark = words[i].mark;
    }
    target = &at_key(*target, words[i]);
  }
  *target = std::move(value);
}

}  // namespace pnflow
