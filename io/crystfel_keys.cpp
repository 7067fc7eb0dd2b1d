#include "io/crystfel_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/diagnostics.h"
#include "graph/error.h"
#include "io/crystfel_values.h"

namespace pnflow::crystfel {
namespace {

template <class Target>
using Keys = std::map<std::string_view, void (*)(Target&, std::string_view)>;
using Text = std::string_view;

// A value that is checked and not kept.
template <class Target>
void ignore_number(Target&, Text value) {
  number(value);
}
template <class Target>
void ignore(Target&, Text) {}

const Keys<GeometryPanel>& panel_keys() {
  using Panel = GeometryPanel;
  static const Keys<Panel> keys{
      {"min_fs", [](Panel& p, Text value) { p.range.min_fs = pixel_index(value); }},
      {"max_fs", [](Panel& p, Text value) { p.range.max_fs = pixel_index(value); }},
      {"min_ss", [](Panel& p, Text value) { p.range.min_ss = pixel_index(value); }},
      {"max_ss", [](Panel& p, Text value) { p.range.max_ss = pixel_index(value); }},
      {"fs", [](Panel& p, Text value) { p.fs = vector(value); }},
      {"ss", [](Panel& p, Text value) { p.ss = vector(value); }},
      {"corner_x", [](Panel& p, Text value) { p.corner_x = number(value); }},
      {"corner_y", [](Panel& p, Text value) { p.corner_y = number(value); }},
      {"res", [](Panel& p, Text value) { p.res = positive_number(value); }},
      {"coffset", [](Panel& p, Text value) { p.coffset = number(value); }},
      {"data", [](Panel& p, Text value) { p.data = absolute_path(value); }},
      {"adu_per_eV", [](Panel& p, Text value) { p.adu_per_ev = positive_number(value); }},
      {"adu_per_photon", [](Panel& p, Text value) { p.adu_per_photon = positive_number(value); }},
      {"max_adu", [](Panel& p, Text value) { p.max_adu = number(value); }},
      {"saturation_map", [](Panel& p, Text value) { p.saturation_map = absolute_path(value); }},
      {"saturation_map_file", [](Panel& p, Text value) { p.saturation_map_file = value; }},
      {"no_index", [](Panel& p, Text value) { p.no_index = flag(value); }},
      {"mask_edge_pixels", [](Panel&, Text value) { pixel_index(value); }},
      {"flag_lessthan", ignore_number<Panel>},
      {"flag_morethan", ignore_number<Panel>},
      {"flag_equal", ignore_number<Panel>},
      {"badrow_direction", ignore<Panel>},
      {"rail_direction", ignore<Panel>},
      {"clen_for_centering", ignore<Panel>},
      {"peak_sep", ignore<Panel>},
      {"integr_radius", ignore<Panel>},
  };
  return keys;
}

const Keys<CrystfelGeometry>& detector_keys() {
  using Detector = CrystfelGeometry;
  // A path without a unit is in mm for the camera length and in m for a shift: CrystFEL's history.
  static const Units camera_length{{{"m", 1}, {"mm", 1e-3}}, 1, 1e-3};
  static const Units shift{{{"m", 1}, {"mm", 1e-3}}, 1, 1};
  static const Units energy{{{"eV", 1}, {"keV", 1e3}, {"MeV", 1e6}}, 1, 1};
  static const Units wavelength{{{"m", 1}, {"A", 1e-10}}, 0, 0};
  static const Units voltage{{{"V", 1}, {"kV", 1e3}}, 0, 0};
  static const Keys<Detector> keys{
      {"clen", [](Detector& d, Text value) { d.clen = quantity(value, camera_length); }},
      {"detector_shift_x", [](Detector& d, Text value) { d.shift_x = quantity(value, shift); }},
      {"detector_shift_y", [](Detector& d, Text value) { d.shift_y = quantity(value, shift); }},
      {"photon_energy", [](Detector& d, Text value) { d.photon_energy = quantity(value, energy); }},
      {"wavelength", [](Detector& d, Text value) { d.wavelength = quantity(value, wavelength); }},
      {"electron_voltage",
       [](Detector& d, Text value) { d.electron_voltage = quantity(value, voltage); }},
      {"bandwidth", [](Detector& d, Text value) { d.bandwidth = number(value); }},
      {"peak_list", [](Detector& d, Text value) { d.peak_list = absolute_path(value); }},
      {"peak_list_type",
       [](Detector& d, Text value) {
         if (value != "auto" && value != "cxi" && value != "list3") {
           throw RunError(fmt::format("expected auto, cxi or list3, found '{}'", value));
         }
         d.peak_list_type = value;
       }},
      {"photon_energy_scale", ignore<Detector>},
      {"peak_info_location", ignore<Detector>},
  };
  return keys;
}

const Keys<BadRegionDraft>& bad_region_keys() {
  using Bad = BadRegionDraft;
  static const Keys<Bad> keys{
      {"min_fs", [](Bad& b, Text value) { b.region.range.min_fs = pixel_index(value); }},
      {"max_fs", [](Bad& b, Text value) { b.region.range.max_fs = pixel_index(value); }},
      {"min_ss", [](Bad& b, Text value) { b.region.range.min_ss = pixel_index(value); }},
      {"max_ss", [](Bad& b, Text value) { b.region.range.max_ss = pixel_index(value); }},
      {"min_x", [](Bad& b, Text value) { b.region.min_x = number(value); }},
      {"max_x", [](Bad& b, Text value) { b.region.max_x = number(value); }},
      {"min_y", [](Bad& b, Text value) { b.region.min_y = number(value); }},
      {"max_y", [](Bad& b, Text value) { b.region.max_y = number(value); }},
      {"panel", [](Bad& b, Text value) { b.panel = value; }},
  };
  return keys;
}

template <class Target>
bool set(const Keys<Target>& keys, Target& target, std::string_view key, std::string_view value) {
  const auto found = keys.find(key);
  if (found == keys.end()) return false;
  found->second(target, value);
  return true;
}

bool set_mask(GeometryPanel& panel, std::string_view key, std::string_view value) {
  const auto known = mask_key(key);
  if (!known) return false;
  GeometryMask& mask = panel.masks[known->number];
  if (known->key == "data") {
    mask.data = absolute_path(value);
  } else if (known->key == "file") {
    mask.file = value;
  } else if (known->key.starts_with("good")) {
    mask.good_bits = bits(value);
  } else {
    mask.bad_bits = bits(value);
  }
  return true;
}

bool set_dim(PanelDraft& draft, std::string_view key, std::string_view value) {
  const auto number = dim_number(key);
  if (!number) return false;
  draft.dims[*number] = axis(value);
  return true;
}

template <class Target>
std::vector<std::string> names_of(const Keys<Target>& keys) {
  std::vector<std::string> names;
  for (const auto& [name, setter] : keys) names.emplace_back(name);
  return names;
}

std::string unknown(std::string_view key, const std::vector<std::string>& known) {
  const auto near = nearest(key, known);
  return fmt::format("unknown key '{}'{}", key,
                     near ? fmt::format("; did you mean '{}'?", *near) : std::string());
}

}  // namespace

std::optional<MaskKey> mask_key(std::string_view key) {
  if (key == "mask") return MaskKey{0, "data"};
  if (key == "mask_file" || key == "mask_good" || key == "mask_bad") {
    return MaskKey{0, key.substr(5)};
  }
  constexpr std::size_t masks = std::tuple_size_v<decltype(GeometryPanel::masks)>;
  if (key.size() <= 6 || !key.starts_with("mask") || key[5] != '_' || key[4] < '0' ||
      key[4] >= '0' + static_cast<char>(masks)) {
    return {};
  }
  const MaskKey numbered{static_cast<std::size_t>(key[4] - '0'), key.substr(6)};
  for (const std::string_view known : {"data", "file", "goodbits", "badbits"}) {
    if (numbered.key == known) return numbered;
  }
  return {};
}

std::optional<std::size_t> dim_number(std::string_view key) {
  constexpr std::size_t most = 32;  // HDF5's own limit
  if (key.size() < 4 || key.size() > 5 || !key.starts_with("dim")) return {};
  std::size_t number = 0;
  for (const char digit : key.substr(3)) {
    if (digit < '0' || digit > '9') return {};
    number = 10 * number + static_cast<std::size_t>(digit - '0');
  }
  return number < most ? std::optional(number) : std::nullopt;
}

bool set_panel_key(PanelDraft& draft, std::string_view key, std::string_view value) {
  return set(panel_keys(), draft.panel, key, value) || set_mask(draft.panel, key, value) ||
         set_dim(draft, key, value);
}

bool set_detector_key(CrystfelGeometry& geometry, std::string_view key, std::string_view value) {
  return set(detector_keys(), geometry, key, value);
}

bool set_bad_region_key(BadRegionDraft& draft, std::string_view key, std::string_view value) {
  return set(bad_region_keys(), draft, key, value);
}

std::string unknown_panel_key(std::string_view key) { return unknown(key, names_of(panel_keys())); }

std::string unknown_detector_key(std::string_view key) {
  std::vector<std::string> known = names_of(panel_keys());
  std::ranges::copy(names_of(detector_keys()), std::back_inserter(known));
  return unknown(key, known);
}

std::string unknown_bad_region_key(std::string_view key) {
  return unknown(key, names_of(bad_region_keys()));
}

}  // namespace pnflow::crystfel
