#include "io/crystfel_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/error.h"
#include "graph/text_file.h"
#include "io/crystfel_draft.h"
#include "io/crystfel_keys.h"
#include "io/crystfel_values.h"

namespace pnflow {
namespace {

using namespace crystfel;

// Latin-1 in a comment is none of our business; control characters are no text.
bool is_binary(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f') || byte == 0x7f;
}

class Parser {
 public:
  explicit Parser(const std::string& name) { geometry_.file = name; }

  CrystfelGeometry parse(std::string_view text) {
    check_text(text);
    while (!text.empty()) {
      ++line_;
      const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
      const std::string_view line = text.substr(0, end);
      text.remove_prefix(end);
      text.remove_prefix(text.starts_with("\r\n") ? 2 : std::min<std::size_t>(text.size(), 1));
      parse_line(trimmed(line.substr(0, line.find(';'))));
    }
    if (panels_.empty()) fault("expected panels, found none");
    for (const auto& [key, line] : unused_defaults_) {
      if (panels_.empty()) break;
      faults_.add(line, fmt::format("'{}' has no effect: no panel begins below it", key));
    }
    complete_panels(geometry_, std::move(panels_), faults_);
    complete_bad_regions(geometry_, std::move(bad_regions_), faults_);
    faults_.raise(geometry_.file);
    return std::move(geometry_);
  }

 private:
  void fault(std::string text) { faults_.add(std::max<std::size_t>(line_, 1), std::move(text)); }

  void check_text(std::string_view text) {
    const auto binary = std::ranges::find_if(text, is_binary);
    if (binary != text.end()) {
      const auto line = std::count(text.begin(), binary, '\n') + 1;
      faults_.add(static_cast<std::size_t>(line),
                  fmt::format("expected a text file, found the byte 0x{:02x}",
                              static_cast<unsigned char>(*binary)));
    } else if (text.empty()) {
      faults_.add(1, "expected a CrystFEL geometry, found an empty file");
    }
    faults_.raise(geometry_.file);
  }

  void parse_line(std::string_view line) {
    if (line.empty()) return;
    const std::size_t equals = line.find('=');
    const std::string_view key = trimmed(line.substr(0, equals));
    if (equals == std::string_view::npos || key.empty()) {
      fault(fmt::format("expected 'key = value', found '{}'", line));
      return;
    }
    const std::string_view value = trimmed(line.substr(equals + 1));
    if (value.empty()) {
      fault(fmt::format("expected a value behind '{} ='", key));
      return;
    }
    const std::size_t slash = key.find('/');
    if (slash == std::string_view::npos) {
      set_top_level(key, value);
    } else if (const auto name = key.substr(0, slash); name.starts_with("bad")) {
      set_bad_region(name, key.substr(slash + 1), value);
    } else {
      set_panel(name, key.substr(slash + 1), value);
    }
  }

  // Runs set(), and makes faults of its false and its RunError. False where there was one.
  template <class Set>
  bool try_set(std::string_view key, std::string_view name, const Set& set,
               std::string (*unknown)(std::string_view)) {
    try {
      if (set()) return true;
      fault(unknown(key));
    } catch (const RunError& error) {
      fault(fmt::format("'{}{}{}': {}", name, name.empty() ? "" : "/", key, error.what()));
    }
    return false;
  }

  void set_top_level(std::string_view key, std::string_view value) {
    if (key.starts_with("rigid_group") || key.starts_with("group_")) {
      add_group(key, value);
      return;
    }
    bool is_default = false;
    const bool set = try_set(
        key, {},
        [&] {
          if (set_detector_key(geometry_, key, value)) return true;
          is_default = true;
          return set_panel_key(defaults_, key, value);
        },
        unknown_detector_key);
    if (!is_default) return;
    defaults_.is_broken = defaults_.is_broken || !set;
    const std::string name(key);
    defaults_.lines[name] = line_;
    if (set) unused_defaults_[name] = line_;
  }

  void set_panel(std::string_view name, std::string_view key, std::string_view value) {
    const auto is_it = [&](const PanelDraft& draft) { return draft.panel.name == name; };
    auto panel = std::ranges::find_if(panels_, is_it);
    if (panel == panels_.end()) {
      if (name.empty() || name.find_first_of(" \t") != std::string_view::npos ||
          name.starts_with("group") || name.starts_with("rigid_group")) {
        fault(
            fmt::format("expected the name of a panel, without blanks and not beginning with "
                        "group or rigid_group, found '{}'",
                        name));
        return;
      }
      panel = panels_.insert(panel, defaults_);
      panel->panel.name = name;
      panel->line = line_;
      unused_defaults_.clear();
    }
    if (key == "clen") {
      fault(fmt::format("'{}/clen': there is one clen for all panels, expected '{}/coffset'", name,
                        name));
      return;
    }
    if (key == "rigid_group") {
      add_to_rigid_group(value, panel->panel.name);
      return;
    }
    panel->lines[std::string(key)] = line_;
    const auto set = [&] { return set_panel_key(*panel, key, value); };
    if (!try_set(key, name, set, unknown_panel_key)) panel->is_broken = true;
  }

  void set_bad_region(std::string_view name, std::string_view key, std::string_view value) {
    const auto is_it = [&](const BadRegionDraft& draft) { return draft.region.name == name; };
    auto bad = std::ranges::find_if(bad_regions_, is_it);
    if (bad == bad_regions_.end()) {
      bad = bad_regions_.emplace(bad);
      bad->region.name = name;
      bad->line = line_;
    }
    bad->lines[std::string(key)] = line_;
    const auto set = [&] { return set_bad_region_key(*bad, key, value); };
    if (!try_set(key, name, set, unknown_bad_region_key)) bad->is_broken = true;
  }

  void add_to_rigid_group(std::string_view group, const std::string& panel) {
    auto& groups = geometry_.rigid_groups;
    auto found = std::ranges::find(groups, group, &PanelGroup::name);
    if (found == groups.end()) found = groups.insert(found, {std::string(group), {}});
    if (std::ranges::find(found->members, panel) == found->members.end()) {
      found->members.push_back(panel);
    }
  }

  void add_group(std::string_view key, std::string_view value) {
    constexpr std::string_view collection = "rigid_group_collection_", rigid = "rigid_group_",
                               plain = "group_";
    const bool is_plain = key.starts_with(plain);
    auto& groups = is_plain                      ? geometry_.groups
                   : key.starts_with(collection) ? geometry_.rigid_group_collections
                                                 : geometry_.rigid_groups;
    const std::string_view prefix = is_plain                      ? plain
                                    : key.starts_with(collection) ? collection
                                                                  : rigid;
    if (!key.starts_with(prefix) || key.size() == prefix.size()) {
      fault(fmt::format("expected '{}NAME', found '{}'", prefix, key));
      return;
    }
    const std::string_view name = key.substr(prefix.size());
    const auto add = [&] {
      PanelGroup group{std::string(name), names(value)};
      if (is_plain) check_group(group);
      // Of a rigid group that is said twice the last counts, as of every key.
      std::erase_if(groups, [&](const PanelGroup& other) { return other.name == name; });
      groups.push_back(std::move(group));
      return true;
    };
    try_set(key, {}, add, unknown_detector_key);
  }

  // CrystFEL wants members to be there before, and names only once, panels' among them.
  void check_group(const PanelGroup& group) {
    const auto exists = [this](const std::string& name) {
      return std::ranges::any_of(panels_,
                                 [&](const PanelDraft& d) { return d.panel.name == name; }) ||
             std::ranges::find(geometry_.groups, name, &PanelGroup::name) != geometry_.groups.end();
    };
    if (exists(group.name)) {
      throw RunError(fmt::format("there is already a panel or group '{}'", group.name));
    }
    for (const std::string& member : group.members) {
      if (exists(member)) continue;
      throw RunError(fmt::format("expected panels or groups from above, found '{}'", member));
    }
  }

  CrystfelGeometry geometry_;
  GeometryFaults faults_;
  PanelDraft defaults_;
  KeyLines unused_defaults_;  // since the last panel began
  std::vector<PanelDraft> panels_;
  std::vector<BadRegionDraft> bad_regions_;
  std::size_t line_ = 0;
};

}  // namespace

CrystfelGeometry parse_crystfel_geometry(std::string_view text, const std::string& name) {
  return Parser(name).parse(text);
}

CrystfelGeometry load_crystfel_geometry(const std::filesystem::path& file) {
  const auto text = read_text_file(file);
  if (!text) throw RunError(fmt::format("cannot read the geometry file '{}'", file.string()));
  return parse_crystfel_geometry(*text, file.string());
}

}  // namespace pnflow
