#include "io/crystfel_draft.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "graph/error.h"

namespace pnflow::crystfel {
namespace {

double length_of(const LabVector& v) { return std::hypot(v.x, v.y, v.z); }

// Less than a thousandth of a degree apart, or one of them nothing: no plane has them as axes.
bool are_parallel(const LabVector& a, const LabVector& b) {
  const LabVector cross{a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
  return length_of(cross) <= 1e-5 * length_of(a) * length_of(b);
}

std::string described(const LabVector& v) {
  return fmt::format("{:+}x {:+}y {:+}z", v.x, v.y, v.z);
}

class PanelCheck {
 public:
  PanelCheck(PanelDraft& draft, GeometryFaults& faults) : draft_(draft), faults_(faults) {}

  void check() {
    for (const char* key :
         {"min_fs", "max_fs", "min_ss", "max_ss", "fs", "ss", "corner_x", "corner_y", "res"}) {
      if (!said(key)) fault(draft_.line, "has no {}", key);
    }
    const SlabRange& range = draft_.panel.range;
    check_order("min_fs", range.min_fs, "max_fs", range.max_fs);
    check_order("min_ss", range.min_ss, "max_ss", range.max_ss);
    if (said("fs") && said("ss") && are_parallel(draft_.panel.fs, draft_.panel.ss)) {
      fault(later_line("fs", "ss"),
            "needs fs and ss in different directions, found fs = {} and ss = {}",
            described(draft_.panel.fs), described(draft_.panel.ss));
    }
    check_dims();
  }

 private:
  bool said(std::string_view key) const { return draft_.lines.contains(key); }
  std::size_t later_line(std::string_view a, std::string_view b) const {
    return std::max(draft_.lines.find(a)->second, draft_.lines.find(b)->second);
  }

  template <class... Args>
  void fault(std::size_t line, fmt::format_string<Args...> text, Args&&... args) {
    faults_.add(line, fmt::format("panel '{}' ", draft_.panel.name) +
                          fmt::format(text, std::forward<Args>(args)...));
  }

  void check_order(std::string_view min, std::size_t from, std::string_view max, std::size_t to) {
    if (!said(min) || !said(max) || from <= to) return;
    fault(later_line(min, max), "needs {} of at least {} = {}, found {}", max, min, from, to);
  }

  // The line of the last key dimN, or else that of the panel.
  std::size_t dims_line() const {
    std::size_t last = 0;
    for (const auto& [key, line] : draft_.lines) {
      if (key.starts_with("dim")) last = std::max(last, line);
    }
    return last == 0 ? draft_.line : last;
  }

  void check_dims() {
    std::size_t expected = 0;
    std::vector<std::size_t> fs, ss, events;
    for (const auto& [number, axis] : draft_.dims) {
      if (number != expected) {
        fault(dims_line(), "has a dim{} and no dim{}", number, expected);
        return;
      }
      ++expected;
      draft_.panel.dims.push_back(axis);
      if (axis.kind == DataAxis::Kind::fs) fs.push_back(number);
      if (axis.kind == DataAxis::Kind::ss) ss.push_back(number);
      if (axis.kind == DataAxis::Kind::event) events.push_back(number);
    }
    for (const auto& [name, axes] : {std::tuple("fs", fs), std::tuple("ss", ss)}) {
      if (axes.empty()) fault(dims_line(), "has no dim that is {}", name);
      if (axes.size() > 1)
        fault(dims_line(), "has {0} in dim{1} and dim{2}", name, axes[0], axes[1]);
    }
    if (events.size() > 1) fault(dims_line(), "has % in dim{} and dim{}", events[0], events[1]);
    if (fs.size() == 1 && ss.size() == 1 && fs[0] < ss[0]) {
      fault(dims_line(), "needs fs in a later dim than ss, found dim{} and dim{}", fs[0], ss[0]);
    }
  }

  PanelDraft& draft_;
  GeometryFaults& faults_;
};

std::string described(const SlabRange& range) {
  return fmt::format("fs {}..{}, ss {}..{}", range.min_fs, range.max_fs, range.min_ss,
                     range.max_ss);
}

bool in_one_image(const GeometryPanel& a, const GeometryPanel& b) {
  return a.data == b.data && a.dims == b.dims;
}

void check_overlaps(const std::vector<GeometryPanel>& panels, const std::vector<std::size_t>& lines,
                    GeometryFaults& faults) {
  std::vector<std::size_t> order(panels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return panels[i].range.min_ss; });
  for (auto a = order.begin(); a != order.end(); ++a) {
    for (auto b = a + 1; b != order.end(); ++b) {
      if (panels[*b].range.min_ss > panels[*a].range.max_ss) break;
      const auto [first, second] = std::minmax(*a, *b);
      const GeometryPanel &one = panels[first], &other = panels[second];
      if (!one.range.overlaps(other.range) || !in_one_image(one, other)) continue;
      faults.add(lines[second],
                 fmt::format("panel '{}' ({}) overlaps panel '{}' ({}) in {}", other.name,
                             described(other.range), one.name, described(one.range), one.data));
    }
  }
}

class BadRegionCheck {
 public:
  BadRegionCheck(const CrystfelGeometry& geometry, BadRegionDraft& draft, GeometryFaults& faults)
      : geometry_(geometry), draft_(draft), faults_(faults) {}

  void check() {
    const bool in_panel = says_any({"min_fs", "max_fs", "min_ss", "max_ss"});
    const bool in_laboratory = says_any({"min_x", "max_x", "min_y", "max_y"});
    if (in_panel && in_laboratory) {
      fault(draft_.line, "has fs or ss and x or y, expected one of them");
    } else if (in_panel) {
      check_in_panel();
    } else {
      check_in_laboratory();
    }
  }

 private:
  bool says_any(std::initializer_list<const char*> keys) const {
    return std::ranges::any_of(keys, [&](const char* key) { return draft_.lines.contains(key); });
  }

  template <class... Args>
  void fault(std::size_t line, fmt::format_string<Args...> text, Args&&... args) {
    faults_.add(line, fmt::format("bad region '{}' ", draft_.region.name) +
                          fmt::format(text, std::forward<Args>(args)...));
  }

  template <class T>
  bool is_ordered(std::string_view min, T from, std::string_view max, T to) {
    const auto min_line = draft_.lines.find(min), max_line = draft_.lines.find(max);
    bool complete = true;
    for (const auto& [key, line] : {std::tuple(min, min_line), std::tuple(max, max_line)}) {
      if (line != draft_.lines.end()) continue;
      fault(draft_.line, "has no {}", key);
      complete = false;
    }
    if (!complete) return false;
    if (from <= to) return true;
    fault(std::max(min_line->second, max_line->second), "needs {} of at least {} = {}, found {}",
          max, min, from, to);
    return false;
  }

  void check_in_panel() {
    BadRegion& region = draft_.region;
    const SlabRange& range = region.range;
    const bool fs = is_ordered("min_fs", range.min_fs, "max_fs", range.max_fs);
    const bool ss = is_ordered("min_ss", range.min_ss, "max_ss", range.max_ss);
    const auto said = draft_.lines.find("panel");
    if (said == draft_.lines.end()) {
      if (geometry_.panels.size() == 1) region.panel = 0;  // CrystFEL guesses so, too
      if (!region.panel) fault(draft_.line, "has no panel");
    } else {
      region.panel = geometry_.find(draft_.panel);
      if (!region.panel) fault(said->second, "is on panel '{}', which is not there", draft_.panel);
    }
    if (!fs || !ss || !region.panel) return;
    const GeometryPanel& panel = geometry_.panels[*region.panel];
    if (panel.range.contains(range)) return;
    fault(draft_.line, "({}) must be inside of panel '{}' ({})", described(range), panel.name,
          described(panel.range));
  }

  void check_in_laboratory() {
    const BadRegion& region = draft_.region;
    is_ordered("min_x", region.min_x, "max_x", region.max_x);
    is_ordered("min_y", region.min_y, "max_y", region.max_y);
  }

  const CrystfelGeometry& geometry_;
  BadRegionDraft& draft_;
  GeometryFaults& faults_;
};

}  // namespace

void GeometryFaults::raise(const std::string& file) {
  constexpr std::size_t most = 20;
  if (faults_.empty()) return;
  std::ranges::stable_sort(faults_, {}, &std::pair<std::size_t, std::string>::first);
  std::string text;
  for (std::size_t i = 0; i < std::min(most, faults_.size()); ++i) {
    if (i > 0) text += '\n';
    text += fmt::format("{}:{}: {}", file, faults_[i].first, faults_[i].second);
  }
  if (faults_.size() > most) text += fmt::format("\n{}: {} more", file, faults_.size() - most);
  throw RunError(text);
}

void complete_panels(CrystfelGeometry& geometry, std::vector<PanelDraft> drafts,
                     GeometryFaults& faults) {
  std::vector<std::size_t> lines;
  bool comparable = true;
  for (PanelDraft& draft : drafts) {
    if (!draft.is_broken) PanelCheck(draft, faults).check();
    const SlabRange& range = draft.panel.range;
    comparable = comparable && !draft.is_broken && range.min_fs <= range.max_fs &&
                 range.min_ss <= range.max_ss && draft.lines.contains("max_fs") &&
                 draft.lines.contains("max_ss");
    lines.push_back(draft.line);
    geometry.panels.push_back(std::move(draft.panel));
  }
  if (comparable) check_overlaps(geometry.panels, lines, faults);
}

void complete_bad_regions(CrystfelGeometry& geometry, std::vector<BadRegionDraft> drafts,
                          GeometryFaults& faults) {
  for (BadRegionDraft& draft : drafts) {
    if (!draft.is_broken) BadRegionCheck(geometry, draft, faults).check();
    geometry.bad_regions.push_back(std::move(draft.region));
  }
}

}  // namespace pnflow::crystfel
