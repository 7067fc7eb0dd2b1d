#include "cli/comparison_report.h"

#include <fmt/format.h>

#include <cmath>

#include "cli/json_number.h"
#include "cli/report_line.h"

namespace pnflow {
namespace {

using nlohmann::ordered_json;

double per_event(std::size_t count, const SpotCounts& spots) {
  return spots.events == 0 ? std::nan("")
                           : static_cast<double>(count) / static_cast<double>(spots.events);
}

std::string percent(double ratio) {
  return std::isfinite(ratio) ? fmt::format("{:.1f}%", 100 * ratio) : "-";
}

ordered_json counts_json(const SpotCounts& spots) {
  return {{"events", spots.events},
          {"crystals", spots.crystals},
          {"peaks", spots.peaks},
          {"explained", spots.explained},
          {"reflections", spots.reflections},
          {"found", spots.found},
          {"weak", spots.weak},
          {"off_panel", spots.off_panel},
          {"stream_peaks", spots.stream_peaks},
          {"recall", json_number(spots.recall())},
          {"precision", json_number(spots.precision())},
          {"peaks_per_event", json_number(per_event(spots.peaks, spots))},
          {"reflections_per_event", json_number(per_event(spots.reflections, spots))},
          {"offset",
           {{"peaks", spots.offsets.count},
            {"mean_x", json_number(spots.offsets.mean_x())},
            {"mean_y", json_number(spots.offsets.mean_y())},
            {"rms_x", json_number(spots.offsets.rms_x())},
            {"rms_y", json_number(spots.offsets.rms_y())}}}};
}

void add_chunks(std::string& text, const StreamComparison& comparison) {
  add_line(text, "chunks", "{}; {} hits, {} indexed with {} crystals", comparison.chunks,
           comparison.hits, comparison.indexed, comparison.crystals);
  if (comparison.elsewhere > 0) {
    add_line(text, "", "{} of images in none of the files, the first {}", comparison.elsewhere,
             comparison.first_elsewhere);
  }
  if (comparison.of_a_master) add_line(text, "", "some are of a master: give it beside its parts");
  if (comparison.repeated > 0) {
    add_line(text, "", "{} of an event that had one already: not compared", comparison.repeated);
  }
  if (comparison.unreadable > 0) {
    add_line(text, "", "{} of an event that cannot be read: not compared; the first: {}",
             comparison.unreadable, comparison.first_unreadable);
  }
  add_line(text, "events", "{} in {} CXI file{}; {} have a chunk, {} have none", comparison.events,
           comparison.files, comparison.files == 1 ? "" : "s", comparison.with_chunk,
           comparison.events - comparison.with_chunk);
}

}  // namespace

std::string comparison_heading() {
  return "  event  crystals  peaks  reflections  recall  precision    dx mean  RMS     dy mean  "
         "RMS    of\n";
}

std::string comparison_line(const ComparedEvent& event) {
  const SpotCounts& spots = event.spots;
  return fmt::format("{:7}{:10}{:7}{:13}{:>8}{:>11}{:>11}{:>6}{:>12}{:>6}   {} //{}\n",
                     event.number, spots.crystals, spots.peaks, spots.reflections,
                     percent(spots.recall()), event.indexed ? percent(spots.precision()) : "-",
                     decimals(spots.offsets.mean_x(), 2), decimals(spots.offsets.rms_x(), 2),
                     decimals(spots.offsets.mean_y(), 2), decimals(spots.offsets.rms_y(), 2),
                     event.file, event.index);
}

ordered_json comparison_json(const ComparedEvent& event) {
  ordered_json json = {{"event", event.number},
                       {"file", event.file},
                       {"index", event.index},
                       {"indexed", event.indexed}};
  json.update(counts_json(event.spots));
  json.erase("events");
  json.erase("peaks_per_event");
  json.erase("reflections_per_event");
  return json;
}

std::string comparison_text(const StreamComparison& comparison, const ComparisonOptions& options) {
  const SpotCounts& spots = comparison.indexed_spots;
  std::string text =
      fmt::format("{}: CrystFEL stream format {}\n", comparison.stream, comparison.version);
  add_chunks(text, comparison);
  add_line(text, "compared", "{} indexed events, within {:g} pixels", spots.events, options.radius);
  add_line(text, "recall", "{}: of {} reflections, {} have a peak", percent(spots.recall()),
           spots.reflections, spots.found);
  if (spots.weak > 0) {
    add_line(text, "", "{} below {:g} sigma are not asked for", spots.weak, options.min_snr);
  }
  if (spots.off_panel > 0) add_line(text, "", "{} are not on their panel", spots.off_panel);
  add_line(text, "precision", "{}: of {} peaks, {} have a reflection", percent(spots.precision()),
           spots.peaks, spots.explained);
  add_line(text, "offset", "x mean {}, RMS {}; y mean {}, RMS {} pixels, peak minus reflection",
           decimals(spots.offsets.mean_x(), 3), decimals(spots.offsets.rms_x(), 3),
           decimals(spots.offsets.mean_y(), 3), decimals(spots.offsets.rms_y(), 3));
  add_line(text, "spots", "{} peaks and {} reflections per indexed event; {} peaks per event",
           decimals(per_event(spots.peaks, spots), 1),
           decimals(per_event(spots.reflections, spots), 1),
           decimals(per_event(comparison.all_spots.peaks, comparison.all_spots), 1));
  for (const std::string& damage : comparison.damage) add_line(text, "damage", "{}", damage);
  if (comparison.damaged > comparison.damage.size()) {
    add_line(text, "", "and {} more", comparison.damaged - comparison.damage.size());
  }
  return text;
}

ordered_json comparison_json(const StreamComparison& comparison, const ComparisonOptions& options) {
  return {{"stream", comparison.stream},
          {"format", comparison.version},
          {"radius", options.radius},
          {"min_snr", options.min_snr},
          {"files", comparison.files},
          {"events",
           {{"all", comparison.events},
            {"with_chunk", comparison.with_chunk},
            {"without_chunk", comparison.events - comparison.with_chunk}}},
          {"chunks",
           {{"all", comparison.chunks},
            {"hits", comparison.hits},
            {"indexed", comparison.indexed},
            {"crystals", comparison.crystals},
            {"elsewhere", comparison.elsewhere},
            {"first_elsewhere", comparison.first_elsewhere.empty()
                                    ? ordered_json(nullptr)
                                    : ordered_json(comparison.first_elsewhere)},
            {"repeated", comparison.repeated},
            {"unreadable", comparison.unreadable},
            {"first_unreadable", comparison.first_unreadable.empty()
                                     ? ordered_json(nullptr)
                                     : ordered_json(comparison.first_unreadable)}}},
          {"damaged", comparison.damaged},
          {"damage", comparison.damage},
          {"indexed", counts_json(comparison.indexed_spots)},
          {"all", counts_json(comparison.all_spots)}};
}

}  // namespace pnflow
