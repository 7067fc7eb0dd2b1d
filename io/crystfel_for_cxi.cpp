#include "io/crystfel_for_cxi.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "io/crystfel_keys.h"
#include "io/crystfel_values.h"
#include "io/cxi_file.h"

namespace pnflow {
namespace {

using crystfel::trimmed;

constexpr std::array<std::string_view, 3> dims = {"%", "ss", "fs"};

// A line "panel/key = value ; comment".
struct Line {
  explicit Line(std::string_view line) : text(line) {
    const std::string_view said = line.substr(0, line.find(';'));
    const std::size_t equals = said.find('=');
    if (equals == std::string_view::npos) return;
    left = line.substr(0, equals);
    key = trimmed(left);
    value = trimmed(said.substr(equals + 1));
    comment = line.substr(said.size());
    const std::size_t slash = key.find('/');
    if (slash == std::string_view::npos) return;
    panel = key.substr(0, slash);
    key.remove_prefix(slash + 1);
  }
  bool is_global() const { return panel.empty(); }
  bool is_path() const { return value.starts_with('/'); }

  std::string_view text, left, panel, key, value, comment;
};

class Editor {
 public:
  Editor(const CrystfelGeometry& geometry, bool mask) : geometry_(geometry), mask_(mask) {}

  std::string edit(std::string_view text) {
    end_ = text.find("\r\n") != std::string_view::npos ? "\r\n"
           : text.find('\n') == std::string_view::npos && text.find('\r') != std::string_view::npos
               ? "\r"
               : "\n";
    std::string body;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
      body += edited(Line(text.substr(0, end)));
      text.remove_prefix(end);
      const std::size_t ending =
          text.starts_with("\r\n") ? 2 : std::min<std::size_t>(text.size(), 1);
      body += text.substr(0, ending);
      text.remove_prefix(ending);
    }
    return head() + body;
  }

 private:
  // A mask that panels have, all of them in a file of its own.
  bool has_file(std::size_t mask) const {
    bool used = false, in_data = false;
    for (const GeometryPanel& panel : geometry_.panels) {
      const auto& [data, file, good, bad] = panel.masks[mask];
      used = used || !data.empty();
      in_data = in_data || (!data.empty() && file.empty());
    }
    return used && !in_data;
  }
  bool maps_have_files() const {
    return std::ranges::all_of(geometry_.panels, [](const GeometryPanel& panel) {
      return panel.saturation_map.empty() || !panel.saturation_map_file.empty();
    });
  }
  std::size_t free_mask() const {
    std::size_t number = 0;
    while (number + 1 < geometry_.panels.front().masks.size() && has_file(number)) ++number;
    return number;
  }

  std::string edited(const Line& line) {
    if (line.value.empty()) return std::string(line.text);
    if (line.panel.starts_with("bad")) return std::string(line.text);
    if (!line.is_global()) in_panels_ = true;
    if (line.key == "data") return said(line, cxi_path::data);
    if (const auto dim = crystfel::dim_number(line.key)) {
      return *dim < dims.size() ? said(line, dims[*dim]) : commented(line);
    }
    if (const auto mask = crystfel::mask_key(line.key)) {
      return has_file(mask->number) ? std::string(line.text) : commented(line);
    }
    if (line.key.starts_with("saturation_map") && !maps_have_files()) return commented(line);
    if (!line.is_global()) return std::string(line.text);
    if (line.key == "peak_list") return said(line, cxi_path::results);
    if (line.key == "peak_list_type") return said(line, "cxi");
    if (line.key == "photon_energy" || line.key == "wavelength") {
      known_.emplace("photon_energy");
      return fmt::format("photon_energy = {} eV{}{}", cxi_path::photon_energy,
                         line.comment.empty() ? "" : " ", line.comment);
    }
    if (line.key == "electron_voltage") known_.emplace("photon_energy");
    if (line.key == "clen" && line.is_path()) {
      const std::size_t blank = std::min(line.value.find_first_of(" \t"), line.value.size());
      return said(line, fmt::format("{}{}", cxi_path::encoder, line.value.substr(blank)));
    }
    if (line.key.starts_with("detector_shift_") && line.is_path()) return commented(line);
    return std::string(line.text);
  }

  std::string said(const Line& line, std::string_view value) {
    // A default holds for the panels below it.
    if (line.is_global() && !in_panels_) known_.emplace(line.key);
    if (line.value == value) return std::string(line.text);
    return fmt::format("{}= {}{}{}", line.left, value, line.comment.empty() ? "" : " ",
                       line.comment);
  }

  static std::string commented(const Line& line) {
    return fmt::format("; not in pnflow's files: {}", line.text);
  }

  // What stands in front of everything: defaults that no line says.
  std::string head() const {
    std::string text;
    const auto line = [&](std::string_view key, std::string_view value) {
      if (known_.contains(key)) return;
      fmt::format_to(std::back_inserter(text), "{} = {}{}", key, value, end_);
    };
    line("photon_energy", fmt::format("{} eV", cxi_path::photon_energy));
    line("data", cxi_path::data);
    for (std::size_t i = 0; i < dims.size(); ++i) line(fmt::format("dim{}", i), dims[i]);
    line("peak_list", cxi_path::results);
    line("peak_list_type", "cxi");
    if (!mask_) return text;
    const std::size_t number = free_mask();
    line(fmt::format("mask{}_data", number), cxi_path::mask);
    line(fmt::format("mask{}_goodbits", number), "0x00");
    line(fmt::format("mask{}_badbits", number), "0xff");
    return text;
  }

  const CrystfelGeometry& geometry_;
  bool mask_;
  bool in_panels_ = false;
  std::set<std::string, std::less<>> known_;  // keys that all panels have a line for
  std::string_view end_;
};

}  // namespace

std::string crystfel_for_cxi(std::string_view text, const CrystfelGeometry& geometry, bool mask) {
  return Editor(geometry, mask).edit(text);
}

}  // namespace pnflow
