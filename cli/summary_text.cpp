#include "cli/summary_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>
#include <variant>

#include "io/iso_time.h"

namespace pnflow {
namespace {

constexpr std::size_t lines_of_damage = 20;
constexpr std::size_t longest_attribute = 60;

using Out = std::back_insert_iterator<std::string>;

std::string size_text(std::size_t bytes) {
  constexpr std::array<std::string_view, 5> units = {"B", "KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < units.size(); ++unit) size /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, units[unit]);
}

// "1 event", "3 events".
std::string count_text(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string number_text(double value) {
  return std::isfinite(value) ? fmt::format("{:.6g}", value) : "-";
}

std::string range_text(double min, double max) {
  return min == max ? number_text(min) : number_text(min) + " to " + number_text(max);
}

std::string pixels_text(const PixelStatistics& pixels) {
  if (pixels.finite + pixels.non_finite == 0) return "none that can be read";
  return fmt::format(
      "min {}, mean {}, max {}; {}", number_text(pixels.min), number_text(pixels.mean()),
      number_text(pixels.max),
      pixels.non_finite == 0 ? "all finite" : fmt::format("{} not finite", pixels.non_finite));
}

// A line of the summary under a word of its own.
template <class... Args>
void line(Out out, std::string_view word, fmt::format_string<Args...> text, Args&&... args) {
  fmt::format_to(out, "  {:<11}{}\n", word, fmt::format(text, std::forward<Args>(args)...));
}

std::string value_text(const Hdf5Attribute& attribute) {
  std::string text =
      std::visit([](const auto& value) { return fmt::to_string(value); }, attribute.value);
  if (text.size() <= longest_attribute && text.find('\n') == std::string::npos) return text;
  return fmt::format("({} characters)", text.size());
}

void add_attributes(Out out, const std::vector<Hdf5Attribute>& attributes, std::string_view owner) {
  for (const Hdf5Attribute& attribute : attributes) {
    line(out, "attribute", "{}{}{} = {}", owner, owner.empty() ? "" : " ", attribute.name,
         value_text(attribute));
  }
}

void add_arrays(Out out, const std::vector<ArraySummary>& arrays) {
  using Row = std::array<std::string, 6>;
  std::vector<Row> rows = {{"array", "shape", "dtype", "stored", "raw", "storage"}};
  for (const ArraySummary& array : arrays) {
    if (!array.unread.empty()) continue;
    rows.push_back({array.name, array.shape.empty() ? "-" : to_string(array.shape), array.dtype,
                    array.stored_bytes ? size_text(*array.stored_bytes) : "-",
                    array.dtype == "text" ? "-" : size_text(array.raw_bytes), array.storage});
  }
  std::array<std::size_t, 5> width{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < width.size(); ++i) width[i] = std::max(width[i], row[i].size());
  }
  if (rows.size() > 1) {
    for (const Row& row : rows) {
      fmt::format_to(out, "  {:<{}}  {:<{}}  {:<{}}  {:>{}}  {:>{}}  {}\n", row[0], width[0],
                     row[1], width[1], row[2], width[2], row[3], width[3], row[4], width[4],
                     row[5]);
    }
  }
  for (const ArraySummary& array : arrays) {
    if (!array.unread.empty())
      fmt::format_to(out, "  {}  not read: {}\n", array.name, array.unread);
  }
}

std::string missing_text(std::size_t missing) {
  return missing == 0 ? "" : fmt::format(", missing in {}", count_text(missing, "event"));
}

void add_events(Out out, const FileSummary& summary) {
  line(out, "events", "{}", summary.events);
  for (const ImageSummary& image : summary.images) {
    line(out, "image", "{} {} ({}{}){}", to_string(image.shape), image.dtype, image.name,
         summary.images.size() == 1 ? "" : ", " + count_text(image.events, "event"),
         image.unpadded ? ", padded from " + to_string(*image.unpadded) : "");
  }
  if (const TimeSummary& times = summary.timestamps; !times.name.empty()) {
    std::string range = times.known == 0 ? "not known" : iso_time(times.first);
    if (times.last != times.first) range += " to " + iso_time(times.last);
    line(out, "time", "{}{} ({})", range, missing_text(times.missing), times.name);
  }
  if (const NumberSummary& energy = summary.photon_energy; !energy.name.empty()) {
    const NumberSummary& wavelength = summary.wavelength;
    std::string range = "not known";
    if (energy.known > 0) {
      range = fmt::format("{} eV, {} A", range_text(energy.min, energy.max),
                          range_text(wavelength.min, wavelength.max));
    }
    line(out, "energy", "{}{} ({})", range, missing_text(energy.missing), energy.name);
  }
  if (!summary.images.empty()) line(out, "pixels", "{}", pixels_text(summary.pixels));
}

void add_cxi(Out out, const CxiSummary& cxi) {
  line(out, "peaks", "min {}, median {}, max {} of an event; {} in all", cxi.min_peaks,
       cxi.median_peaks, cxi.max_peaks, cxi.total_peaks);
  if (cxi.panels) line(out, "panels", "{}, one below the other", *cxi.panels);
  if (cxi.normalized.value_or(false)) {
    line(out, "normalized", "intensities and SNR are not in detector units");
  }
  if (cxi.mask) {
    line(out, "mask", "{}, {} in the first event", to_string(*cxi.mask),
         count_text(cxi.bad_pixels, "bad pixel"));
  }
  if (cxi.crystfel.faults.empty()) line(out, "CrystFEL", "finds what it needs");
  for (const std::string& fault : cxi.crystfel.faults) line(out, "fault", "{}", fault);
  for (const std::string& warning : cxi.crystfel.warnings) line(out, "warning", "{}", warning);
}

void add_parts(Out out, const std::vector<CxiMasterPart>& parts, bool counted_there) {
  std::size_t events = 0, whole = 0;
  for (const CxiMasterPart& part : parts) {
    events += part.events;
    whole += part.fault.empty() ? 1 : 0;
  }
  line(out, "parts", "{} of {} are there, {} in all{}", whole, parts.size(),
       count_text(events, "event"),
       counted_there ? "; they are among the files and counted there" : "");
}

void add_damage(Out out, const FileSummary& summary) {
  std::size_t shown = 0;
  for (const Damage& damage : summary.damage) {
    if (++shown > lines_of_damage) {
      line(out, "damage", "and {} more", summary.damage.size() - lines_of_damage);
      return;
    }
    std::string where = summary.messages > 1 ? fmt::format("message {}, ", damage.message) : "";
    where +=
        damage.array.empty() ? (summary.messages > 1 ? "" : "the file, ") : damage.array + ", ";
    if (damage.entry) where += fmt::format("entry {}, ", *damage.entry);
    where.resize(where.size() - 2);
    line(out, "damage", "{}: {}{}{}", where, damage.reason, damage.detail.empty() ? "" : ": ",
         damage.detail);
  }
}

}  // namespace

std::string summary_text(const FileSummary& summary) {
  std::string text = summary.file + "\n";
  const Out out(text);
  if (!summary.error.empty()) {
    line(out, "not read", "{}", summary.error);
    return text;
  }
  line(out, "size", "{} ({} bytes)", size_text(summary.bytes), summary.bytes);
  line(out, "kind", "{}{}", summary.kind.empty() ? "not known" : summary.kind,
       summary.messages > 1 ? ", " + count_text(summary.messages, "message") : "");
  for (const ControlSummary& control : summary.controls) {
    for (const auto& [name, value] : control.fields) {
      line(out, control.type, "{} = {}", name, value_text({name, value}));
    }
  }
  add_attributes(out, summary.attributes, "");
  for (const ArraySummary& array : summary.arrays)
    add_attributes(out, array.attributes, array.name);
  add_arrays(out, summary.arrays);
  if (!summary.parts.empty()) add_parts(out, summary.parts, summary.counted_in_parts);
  if (summary.controls.size() < summary.messages && !summary.counted_in_parts)
    add_events(out, summary);
  if (summary.cxi) add_cxi(out, *summary.cxi);
  add_damage(out, summary);
  return text;
}

std::string event_text(const EventDetail& event) {
  std::string text;
  const Out out(text);
  fmt::format_to(out, "event {}: {} //{}\n", event.number, event.file, event.index);
  if (!event.fault.empty()) {
    line(out, "missing", "{}", event.fault);
    return text;
  }
  line(out, "time", "{}", event.timestamp == 0 ? "not known" : iso_time(event.timestamp));
  line(out, "energy", "{}",
       event.photon_energy > 0 ? number_text(event.photon_energy) + " eV" : "not known");
  line(out, "pixels", "{}", pixels_text(event.pixels));
  if (!event.is_cxi) return text;
  line(out, "peaks", "{}", event.peaks.size());
  if (event.peaks.empty()) return text;
  fmt::format_to(out, "  {:>5} {:>9} {:>9} {:>6} {:>11} {:>10} {:>8}\n", "panel", "x (fs)",
                 "y (ss)", "npix", "total", "maximum", "SNR");
  for (const StoredPeak& peak : event.peaks) {
    const auto cell = [](double value, int digits) {
      return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "-";
    };
    fmt::format_to(out, "  {:>5} {:>9} {:>9} {:>6} {:>11} {:>10} {:>8}\n", cell(peak.panel, 0),
                   cell(peak.x, 2), cell(peak.y, 2), cell(peak.npix, 0), cell(peak.total, 1),
                   cell(peak.maximum, 1), cell(peak.snr, 1));
  }
  return text;
}

std::string sum_text(const std::vector<FileSummary>& files) {
  const SummaryOfAll sum = sum_of(files);
  std::string text = fmt::format("{}, {}, {}", count_text(sum.files, "file"),
                                 count_text(sum.events, "event"), size_text(sum.bytes));
  if (sum.damaged > 0) text += fmt::format("; {} with damage", sum.damaged);
  if (sum.faulty > 0) text += fmt::format("; {} with faults", sum.faulty);
  if (sum.not_read > 0) text += fmt::format("; {} not read", sum.not_read);
  return text + "\n";
}

}  // namespace pnflow
