#include "io/crystfel_geometry.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "graph/error.h"

namespace pnflow {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Where the digits at the end of the text begin; its size when there are none.
std::size_t digits_begin(const std::string& text) {
  std::size_t begin = text.size();
  while (begin > 0 && is_digit(text[begin - 1])) --begin;
  return begin;
}

// "p3a1" -> "p3"; any other name as it is.
std::string module_name(const std::string& panel) {
  const std::size_t digits = digits_begin(panel);
  const bool asic = digits < panel.size() && digits >= 2 && panel[digits - 1] == 'a' &&
                    is_digit(panel[digits - 2]);
  return asic ? panel.substr(0, digits - 1) : panel;
}

void extend(SlabRange& range, const SlabRange& by) {
  range.min_fs = std::min(range.min_fs, by.min_fs);
  range.max_fs = std::max(range.max_fs, by.max_fs);
  range.min_ss = std::min(range.min_ss, by.min_ss);
  range.max_ss = std::max(range.max_ss, by.max_ss);
}

// The numbers at the end of the modules' names, where these names differ in nothing else. Digits
// without leading zeros compare as numbers by length first.
using ModuleNumber = std::pair<std::size_t, std::string>;

std::optional<std::map<std::string, ModuleNumber>> module_numbers(
    const std::vector<GeometryModule>& modules) {
  std::map<std::string, ModuleNumber> numbers;
  std::vector<ModuleNumber> seen;
  const std::string& first = modules.front().name;
  const std::string prefix = first.substr(0, digits_begin(first));
  for (const GeometryModule& module : modules) {
    const std::size_t begin = digits_begin(module.name);
    if (begin == module.name.size() || module.name.substr(0, begin) != prefix) return std::nullopt;
    std::string digits = module.name.substr(begin);
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
    const std::size_t size = digits.size();
    seen.push_back(numbers[module.name] = {size, std::move(digits)});
  }
  std::ranges::sort(seen);
  if (std::ranges::adjacent_find(seen) != seen.end()) return std::nullopt;  // "p1" and "p01"
  return numbers;
}

std::string described(const SlabRange& range) {
  return fmt::format("fs {}..{}, ss {}..{}", range.min_fs, range.max_fs, range.min_ss,
                     range.max_ss);
}

// The axes without the events': which image of the data set it is.
std::vector<DataAxis> image_axes(const GeometryPanel& panel) {
  std::vector<DataAxis> axes = panel.dims;
  std::erase_if(axes, [](const DataAxis& axis) { return axis.kind == DataAxis::Kind::event; });
  return axes;
}

}  // namespace

bool SlabRange::contains(std::size_t row, std::size_t column) const {
  return row >= min_ss && row <= max_ss && column >= min_fs && column <= max_fs;
}

bool SlabRange::contains(const SlabRange& other) const {
  return contains(other.min_ss, other.min_fs) && contains(other.max_ss, other.max_fs);
}

bool SlabRange::overlaps(const SlabRange& other) const {
  return min_ss <= other.max_ss && other.min_ss <= max_ss && min_fs <= other.max_fs &&
         other.min_fs <= max_fs;
}

std::optional<std::size_t> CrystfelGeometry::find(const std::string& name) const {
  const auto found = std::ranges::find(panels, name, &GeometryPanel::name);
  if (found == panels.end()) return std::nullopt;
  return static_cast<std::size_t>(found - panels.begin());
}

std::optional<std::size_t> CrystfelGeometry::panel_at(std::size_t ss, std::size_t fs) const {
  for (std::size_t panel = 0; panel < panels.size(); ++panel) {
    if (panels[panel].range.contains(ss, fs)) return panel;
  }
  return std::nullopt;
}

LabVector CrystfelGeometry::position(std::size_t panel, double fs, double ss,
                                     std::optional<double> camera_length) const {
  const GeometryPanel& on = panels.at(panel);
  const double along_fs = fs + 0.5, along_ss = ss + 0.5;
  const auto shift = [](const std::optional<GeometryQuantity>& by) {
    return by ? by->value.value_or(0) : 0;
  };
  if (!camera_length && clen) camera_length = clen->value;
  return {
      (on.corner_x + along_fs * on.fs.x + along_ss * on.ss.x) / on.res + shift(shift_x),
      (on.corner_y + along_fs * on.fs.y + along_ss * on.ss.y) / on.res + shift(shift_y),
      camera_length.value_or(std::numeric_limits<double>::quiet_NaN()) + on.coffset +
          (along_fs * on.fs.z + along_ss * on.ss.z) / on.res,
  };
}

void CrystfelGeometry::require_slab() const {
  const GeometryPanel& first = panels.front();
  for (const GeometryPanel& panel : panels) {
    if (panel.data != first.data) {
      throw RunError(
          fmt::format("{}: panels '{}' and '{}' are in different data sets, {} and {}; "
                      "expected one image that holds all panels",
                      file, first.name, panel.name, first.data, panel.data));
    }
    if (image_axes(panel) != image_axes(first)) {
      throw RunError(
          fmt::format("{}: panels '{}' and '{}' are in different places of the data "
                      "set {} (dim0, dim1, ...); expected one image that holds all "
                      "panels",
                      file, first.name, panel.name, first.data));
    }
  }
}

std::vector<GeometryModule> CrystfelGeometry::modules() const {
  require_slab();
  std::vector<GeometryModule> found;
  std::map<std::string, std::size_t> places;
  for (std::size_t panel = 0; panel < panels.size(); ++panel) {
    const std::string name = module_name(panels[panel].name);
    const SlabRange& range = panels[panel].range;
    const auto [place, is_new] = places.try_emplace(name, found.size());
    if (is_new) found.push_back({name, range, {}});
    extend(found[place->second].range, range);
    found[place->second].panels.push_back(panel);
  }
  for (auto a = found.begin(); a != found.end(); ++a) {
    for (auto b = found.begin(); b != a; ++b) {
      if (!a->range.overlaps(b->range)) continue;
      throw RunError(fmt::format(
          "{}: the modules '{}' ({}) and '{}' ({}) overlap; expected panels of a module side by "
          "side",
          file, b->name, described(b->range), a->name, described(a->range)));
    }
  }
  if (const auto numbers = module_numbers(found)) {
    std::ranges::sort(found, {}, [&](const GeometryModule& m) { return numbers->at(m.name); });
  }
  return found;
}

SlabPixel slab_pixel(const std::vector<GeometryModule>& modules, std::size_t panel, std::size_t y,
                     std::size_t x) {
  const SlabRange& range = modules.at(panel).range;
  return {range.min_ss + y, range.min_fs + x};
}

void require_modules(const std::vector<GeometryModule>& modules, const std::string& file,
                     std::size_t count, std::size_t height, std::size_t width) {
  if (modules.size() != count) {
    throw RunError(fmt::format("{}: the geometry has {} modules; the images have {} panels", file,
                               modules.size(), count));
  }
  for (const GeometryModule& module : modules) {
    if (module.range.height() == height && module.range.width() == width) continue;
    throw RunError(fmt::format("{}: module '{}' is {}x{} ({}); the panels of the images are {}x{}",
                               file, module.name, module.range.height(), module.range.width(),
                               described(module.range), height, width));
  }
}

}  // namespace pnflow
