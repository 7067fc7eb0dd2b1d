#include "graph/config.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <sstream>
#include <utility>

#include "graph/environment.h"

namespace pnflow {

namespace {

// Aliases copy what they name, so a small text can stand for a huge one.
constexpr std::size_t most_values = 100'000;

std::size_t count_values(const Value& value) {
  std::size_t n = 1;
  for (const Value& item : value.items) n += count_values(item);
  for (const auto& entry : value.entries) n += count_values(entry.value);
  return n;
}

// 010 is 8 to some readers of YAML and 10 to others.
bool has_leading_zero(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return text.size() > 1 && text.front() == '0' &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
}

// Builds a Value from the parser's events. Those carry what yaml-cpp's nodes have lost: where an
// alias stands, and whether a scalar was quoted.
class Builder : public YAML::EventHandler {
 public:
  Builder(Mark origin, Diagnostics& diagnostics) : origin_(origin), diagnostics_(diagnostics) {}

  Value take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& at) override {
    if (documents_++ == 1)
      diagnostics_.error(mark(at), "a second document begins here, and a file is one graph");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& at, YAML::anchor_t anchor) override {
    Value value;
    value.mark = mark(at);
    put(std::move(value), anchor);
  }
  void OnAlias(const YAML::Mark& at, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      diagnostics_.error(mark(at), "an alias stands inside of what it names");
      return OnNull(at, 0);
    }
    Value value = found->second;
    values_ += count_values(value);
    if (values_ > most_values) {
      diagnostics_.error(mark(at), "aliases make this configuration too large");
      value = {};
    }
    value.mark = mark(at);
    put(std::move(value), 0);
  }
  void OnScalar(const YAML::Mark& at, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    Value value;
    value.kind = Value::Kind::scalar;
    value.mark = mark(at);
    const bool is_key = expects_key();
    value.quoted = (tag == "!" || tag == "tag:yaml.org,2002:str") && !is_reference(text);
    value.text = is_key ? text : replace_environment(text, value.mark, diagnostics_);
    if (!value.quoted && !is_key && has_leading_zero(value.text)) {
      diagnostics_.error(value.mark, fmt::format("'{}' begins with 0", value.text),
                         "some readers take such a number as octal: leave the 0 out, or quote it");
      value.text.erase(0, std::min(value.text.find_first_not_of("+-0"), value.text.size() - 1));
    }
    put(std::move(value), anchor);
  }
  void OnSequenceStart(const YAML::Mark& at, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Value::Kind::list, at, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& at, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Value::Kind::map, at, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Value value;
    YAML::anchor_t anchor = 0;
    bool has_key = false;  // the last entry of the map waits for its value
  };

  Mark mark(const YAML::Mark& at) const {
    if (at.is_null()) return origin_;
    const int column = at.line == 0 ? at.column + origin_.column : at.column + 1;
    return {origin_.file, at.line + origin_.line, column};
  }

  bool expects_key() const {
    return !levels_.empty() && levels_.back().value.is_map() && !levels_.back().has_key;
  }

  void open(Value::Kind kind, const YAML::Mark& at, YAML::anchor_t anchor) {
    Level level;
    level.value.kind = kind;
    level.value.mark = mark(at);
    level.anchor = anchor;
    levels_.push_back(std::move(level));
  }

  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    put(std::move(level.value), level.anchor);
  }

  void put(Value value, YAML::anchor_t anchor) {
    ++values_;
    if (anchor != 0) anchors_[anchor] = value;
    if (levels_.empty()) {
      if (documents_ <= 1) root_ = std::move(value);
      return;
    }
    Level& level = levels_.back();
    if (level.value.is_list()) {
      level.value.items.push_back(std::move(value));
    } else if (!level.has_key) {
      if (!value.is_scalar()) diagnostics_.error(value.mark, "a key must be a word");
      level.value.entries.push_back({std::move(value.text), value.mark, {}});
      level.has_key = true;
    } else {
      auto& entry = level.value.entries.back();
      // The parser notices an empty value only at what comes next.
      if (value.is_null()) value.mark = entry.key_mark;
      entry.value = std::move(value);
      level.has_key = false;
    }
  }

  Mark origin_;
  Diagnostics& diagnostics_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, Value> anchors_;
  Value root_;
  std::size_t values_ = 0;
  int documents_ = 0;
};

std::string syntax_hint(std::string_view line) {
  if (line.find("${") == std::string_view::npos) return {};
  return "inside braces and brackets, a ${NAME} has to be quoted: \"${NAME}\"";
}

}  // namespace

Value read_yaml_at(std::string_view text, Mark origin, Diagnostics& diagnostics) {
  Builder builder(origin, diagnostics);
  std::istringstream in{std::string(text)};
  try {
    YAML::Parser parser(in);
    // A second document is a fault, and the last that is looked for: after one that it cannot make
    // sense of, yaml-cpp finds empty documents without end.
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
  } catch (const YAML::ParserException& fault) {
    Mark at = origin;
    if (!fault.mark.is_null()) {
      at.column = fault.mark.column + (fault.mark.line == 0 ? origin.column : 1);
      at.line += fault.mark.line;
    }
    diagnostics.error(at, "not YAML: " + fault.msg, syntax_hint(diagnostics.line_at(at)));
  }
  return builder.take();
}

Value read_yaml(std::string_view text, int file, Diagnostics& diagnostics) {
  return read_yaml_at(text, {file, 1, 1}, diagnostics);
}

}  // namespace pnflow
