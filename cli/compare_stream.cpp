#include "cli/compare_stream.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "cli/comparison_report.h"
#include "cli/cxi_file_set.h"
#include "cli/signals.h"
#include "cli/stream_comparison.h"
#include "graph/error.h"
#include "io/cxi_file.h"

namespace pnflow {

namespace {

constexpr int damaged = 1;
constexpr int not_read = 2;
constexpr int interrupted = 130;

// The event with its peaks; the reflections come from its chunk, if there is one.
EventDetail detail_of(CxiFileSet& files, const CxiFileSet::Place& place, std::size_t number) {
  const CxiFileSet::File& file = *place.file;
  EventDetail detail;
  detail.file = file.name;
  detail.number = number;
  detail.index = place.index;
  detail.fault = files.fault(place);
  const CxiReader& reader = files.reader(file);
  detail.is_cxi = true;
  detail.peaks = reader.peaks(place.index);
  detail.mask = reader.mask(place.index);
  detail.panels = reader.panels();
  const auto pixels = reader.numbers(cxi_path::data, place.index);
  if (file.height > 0 && file.width > 0 && pixels) {
    MutableArray image(*heap_pool(), DType::f64, {file.height, file.width});
    std::ranges::copy(*pixels, image.as<double>().begin());
    detail.image = std::move(image).freeze();
  }
  return detail;
}

void add_reflections(const StreamChunk& chunk, EventDetail& detail) {
  for (const StreamCrystal& crystal : chunk.crystals) {
    for (const StreamReflection& reflection : crystal.reflections) {
      detail.reflections.push_back({.x = reflection.fs - CrystfelStream::pixel_centre,
                                    .y = reflection.ss - CrystfelStream::pixel_centre});
    }
  }
}

class Comparison {
 public:
  explicit Comparison(const CompareStreamOptions& options)
      : options_(options), files_({options.files.begin(), options.files.end() - 1}) {
    if (options.png.empty()) return;
    const std::size_t number = options.event.value_or(0);
    const auto place = files_.find(number);
    if (!place) {
      throw RunError(
          fmt::format("there is no event {}; events are counted from 0, and there are "
                      "{} in all files",
                      number, files_.events()));
    }
    drawn_ = detail_of(files_, *place, number);
  }

  int run() {
    if (options_.events && !options_.json) fmt::print("{}", comparison_heading());
    const StreamComparison comparison = compare_stream(
        options_.files.back(), files_, options_.comparison,
        [this](const ComparedEvent& event, const StreamChunk& chunk) { add(event, chunk); });
    if (options_.json) {
      json_.update(comparison_json(comparison, options_.comparison));
      if (options_.events) json_["each"] = std::move(each_);
    } else {
      fmt::print("{}{}", options_.events ? "\n" : "",
                 comparison_text(comparison, options_.comparison));
    }
    int exit_code = comparison.damaged > 0 || comparison.unreadable > 0 ? damaged : 0;
    if (drawn_ && !draw()) exit_code = damaged;
    if (options_.json) {
      fmt::print("{}\n",
                 json_.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    }
    if (comparison.with_chunk > 0) return exit_code;
    fmt::print(stderr, "pnflow compare-stream: no chunk of '{}' is of an event of these files{}\n",
               comparison.stream,
               comparison.of_a_master ? "; it names a master: give that beside its parts" : "");
    return not_read;
  }

 private:
  void add(const ComparedEvent& event, const StreamChunk& chunk) {
    if (drawn_ && event.number == drawn_->number) add_reflections(chunk, *drawn_);
    if (!options_.events) return;
    if (options_.json) {
      each_.push_back(comparison_json(event));
    } else {
      fmt::print("{}", comparison_line(event));
    }
  }

  bool draw() {
    try {
      const Drawing drawing = draw_event(*drawn_, {});
      drawing.picture.write(options_.png);
      if (options_.json) {
        json_["picture"] = {{"file", options_.png},
                            {"event", drawn_->number},
                            {"width", drawing.picture.width()},
                            {"height", drawing.picture.height()},
                            {"scale", drawing.scale},
                            {"peaks", drawing.peaks},
                            {"reflections", drawing.reflections}};
      } else {
        fmt::print("  {:<11}{}: event {}, {} peaks in circles, {} reflections in squares\n",
                   "picture", options_.png, drawn_->number, drawing.peaks, drawing.reflections);
      }
      return true;
    } catch (const RunError& error) {
      fmt::print(stderr, "pnflow compare-stream: {}\n", error.what());
      return false;
    }
  }

  const CompareStreamOptions& options_;
  CxiFileSet files_;
  std::optional<EventDetail> drawn_;
  nlohmann::ordered_json json_ = nlohmann::ordered_json::object();
  nlohmann::ordered_json each_ = nlohmann::ordered_json::array();
};

constexpr const char* footer =
    "Recall: of the reflections that CrystFEL integrated on their panel, those with one of our\n"
    "peaks within --radius. Precision: of our peaks in indexed events, those with a reflection\n"
    "within it. Both count over the events with at least one crystal; a peak may serve several\n"
    "reflections. Many reflections are too weak to be seen: --min-snr asks for the others only.\n"
    "Offsets are those of the peaks from their nearest reflection, in pixels. CrystFEL measures\n"
    "from the corner of the first pixel, CXI files from its centre: half a pixel is taken off.\n\n"
    "An event is known by the name of its file and its number in it; the path counts only where\n"
    "two files have the same name. Chunks may name a run's master or the files that it consists\n"
    "of, whichever was given; events of a part that is not there are counted and not compared.\n"
    "Chunks of other images, and events without a chunk, are counted. The stream is read chunk by "
    "chunk, so it may be of any length. Where it is damaged\n"
    "or cut, the line is named, and all other chunks count.\n\n"
    "JSON: {stream, format, radius, min_snr, files, events {all, with_chunk, without_chunk},\n"
    "chunks {all, hits, indexed, crystals, elsewhere, first_elsewhere, repeated, unreadable,\n"
    "first_unreadable}, damaged,\n"
    "damage [text], indexed, all, each [...], picture}. indexed (over the indexed events) and all\n"
    "(over those with a chunk): {events, crystals, peaks, explained, reflections, found, weak,\n"
    "off_panel, stream_peaks, recall, precision, peaks_per_event, reflections_per_event,\n"
    "offset {peaks, mean_x, mean_y, rms_x, rms_y}}; each, of --events: {event, file, index,\n"
    "indexed, and the same of one event}.\n\n"
    "Exit codes: 0, 1 the stream is damaged or cut, or events cannot be read, or the picture "
    "cannot\n"
    "be drawn, 2 a file is missing or not what it should be, or they have no event in common, or "
    "no\n"
    "such event, 130 interrupted.";

}  // namespace

int compare_stream_files(const CompareStreamOptions& options) {
  end_on_broken_pipe();
  const SignalThread signals([] { std::_Exit(interrupted); });
  try {
    return Comparison(options).run();
  } catch (const RunError& error) {
    fmt::print(stderr, "pnflow compare-stream: {}\n", error.what());
  } catch (const DataError& error) {
    fmt::print(stderr, "pnflow compare-stream: '{}': {} (the stream stands last)\n",
               options.files.back(), error.what());
  }
  return not_read;
}

void add_compare_stream_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<CompareStreamOptions>();
  CLI::App* command =
      app.add_subcommand("compare-stream", "Compare peaks in CXI files with what CrystFEL indexed");
  constexpr int two_or_more = -2;
  command->add_option("files", options->files, "CXI files, and CrystFEL's stream as the last")
      ->required()
      ->expected(two_or_more);
  command
      ->add_option("--radius", options->comparison.radius,
                   "Pixels between a peak and its reflection at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--min-snr", options->comparison.min_snr,
                   "Reflections to be found have I/sigma(I) of this or more; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--events", options->events, "A line for each event, in the stream's order");
  command->add_flag("--json", options->json, "As one JSON document");
  CLI::Option* png =
      command->add_option("--png", options->png,
                          "Draw an event into this file: peaks in circles, reflections in squares");
  command
      ->add_option("--event", options->event,
                   "Of the picture; counted from 0 through all CXI files; default the first")
      ->needs(png);
  command->footer(footer);
  command->callback([options, &exit_code] { exit_code = compare_stream_files(*options); });
}

}  // namespace pnflow
