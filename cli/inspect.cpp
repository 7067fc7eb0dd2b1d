#include "cli/inspect.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

#include "cli/inspector.h"
#include "cli/signals.h"
#include "cli/summary_json.h"
#include "cli/summary_text.h"
#include "graph/error.h"
#include "io/mask_file.h"

namespace pnflow {

namespace {

constexpr int damaged = 1;
constexpr int not_read = 2;
constexpr int interrupted = 130;

Drawing draw(EventDetail event, const InspectOptions& options) {
  if (!options.mask.empty()) event.mask = load_mask(options.mask, "");
  Drawing drawing = draw_event(event, options.drawing);
  drawing.picture.write(options.png);
  return drawing;
}

std::string drawing_text(const Drawing& drawing, const std::string& file) {
  std::string text = fmt::format("picture: {}, {}x{}, scale {}, logarithmic from {:.6g} to {:.6g}",
                                 file, drawing.picture.width(), drawing.picture.height(),
                                 drawing.scale, drawing.low, drawing.high);
  if (drawing.columns > 1) text += fmt::format("; {} panels in a row", drawing.columns);
  if (drawing.peaks > 0) text += fmt::format("; {} peaks in circles", drawing.peaks);
  if (drawing.masked > 0) text += fmt::format("; {} masked pixels brown", drawing.masked);
  if (drawing.non_finite > 0) text += fmt::format("; {} not finite magenta", drawing.non_finite);
  return text + "\n";
}

nlohmann::ordered_json drawing_json(const Drawing& drawing, const std::string& file) {
  return {{"file", file},
          {"width", drawing.picture.width()},
          {"height", drawing.picture.height()},
          {"scale", drawing.scale},
          {"columns", drawing.columns},
          {"low", drawing.low},
          {"high", drawing.high},
          {"peaks", drawing.peaks},
          {"masked", drawing.masked},
          {"non_finite", drawing.non_finite}};
}

// Prints each file as soon as it is known, or all of them as one JSON document.
class Inspection {
 public:
  explicit Inspection(const InspectOptions& options)
      : options_(options),
        inspector_(options.files, options.event         ? options.event
                                  : options.png.empty() ? std::nullopt
                                                        : std::optional<std::size_t>(0)) {}

  int run() {
    for (const std::string& file : options_.files) inspector_.find_starts(file);
    for (const std::string& file : options_.files) {
      files_.push_back(inspector_.inspect(file));
      const FileSummary& summary = files_.back();
      if (summary.is_damaged() || summary.is_faulty()) note(damaged);
      if (!summary.error.empty()) note(not_read);
      if (options_.json) continue;
      fmt::print("{}\n", summary_text(summary));
      std::fflush(stdout);
    }
    if (!options_.json && files_.size() > 1) fmt::print("{}", sum_text(files_));
    if (options_.event || !options_.png.empty()) add_event();
    if (options_.json) print_json();
    return exit_code_;
  }

 private:
  void note(int code) { exit_code_ = std::max(exit_code_, code); }

  void add_event() {
    const auto& event = inspector_.event();
    if (!event) {
      fmt::print(stderr,
                 "pnflow inspect: there is no event {}; events are counted from 0, and there "
                 "are {} in all files\n",
                 options_.event.value_or(0), inspector_.events());
      note(not_read);
      return;
    }
    if (options_.event) {
      if (options_.json) {
        json_["event"] = event_json(*event);
      } else {
        fmt::print("{}{}", files_.size() > 1 ? "\n" : "", event_text(*event));
      }
    }
    if (options_.png.empty()) return;
    try {
      const Drawing drawing = draw(*event, options_);
      if (options_.json) {
        json_["picture"] = drawing_json(drawing, options_.png);
      } else {
        fmt::print("{}", drawing_text(drawing, options_.png));
      }
    } catch (const RunError& error) {
      fmt::print(stderr, "pnflow inspect: {}\n", error.what());
      note(damaged);
    }
  }

  void print_json() {
    nlohmann::ordered_json json;
    json["files"] = nlohmann::ordered_json::array();
    for (const FileSummary& file : files_) json["files"].push_back(summary_json(file));
    json["sum"] = sum_json(files_);
    json.update(json_);
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }

  const InspectOptions& options_;
  Inspector inspector_;
  std::vector<FileSummary> files_;
  nlohmann::ordered_json json_ = nlohmann::ordered_json::object();  // of the event
  int exit_code_ = 0;
};

constexpr const char* footer =
    "What a file is, is seen from its content. Every array is read to its end, so that all damage\n"
    "is found; of a record (a tar archive of messages) every message. A Simplon start message "
    "serves\n"
    "the images of its run in all files, also those in front of it. The events of a CXI master "
    "are\n"
    "those of its parts; a part that is not there, which HDF5 reads as zeros, is damage. They are\n"
    "not counted when the parts are among the files themselves. With several files the last line\n"
    "is their sum.\n\n"
    "The picture: brightness is logarithmic; peaks of a CXI file stand in the middle of circles,\n"
    "brown pixels are masked, magenta ones not finite.\n\n"
    "JSON: {files: [...], sum: {files, events, bytes, damaged, faulty, not_read}, event, "
    "picture}.\n"
    "Of a file: file, bytes, kind, messages, attributes, arrays [{name, shape, dtype, storage, "
    "raw_bytes,\n"
    "stored_bytes, messages, attributes, unread}], events, images [{array, shape, dtype, events,\n"
    "unpadded}], timestamps {array, first, last, first_packed, last_packed, missing}, "
    "photon_energy\n"
    "and wavelength {array, min, max, missing}, pixels {min, max, mean, finite, non_finite},\n"
    "cxi {peaks {min, median, max, total}, normalized, panels, mask {shape, bad}, crystfel "
    "{faults,\n"
    "warnings}}, parts [{file, first, events, fault}] of a master, controls, damage [{message, "
    "array, entry, reason, detail}], error.\n\n"
    "Exit codes: 0, 1 there is damage, or a fault that CrystFEL trips over, or the picture cannot "
    "be\n"
    "drawn, 2 a file is missing or of no known kind, or no such event, 130 interrupted.";

void add_drawing(CLI::App& inspect, const std::shared_ptr<InspectOptions>& options) {
  const std::map<std::string, ColourMap> maps{{"viridis", ColourMap::viridis},
                                              {"grey", ColourMap::grey}};
  const std::string group = "Picture";
  CLI::Option* png =
      inspect.add_option("--png", options->png, "Draw an event into this file")->group(group);
  const auto option = [&](const char* name, auto& value, const char* text) {
    return inspect.add_option(name, value, text)->needs(png)->group(group);
  };
  CLI::Option* columns = option("--columns", options->drawing.columns,
                                "Panels in a row; a CXI image is drawn as it is without")
                             ->check(CLI::PositiveNumber);
  option("--panel-height", options->drawing.panel_height,
         "Rows of a panel in a CXI image, where the file does not say")
      ->needs(columns)
      ->check(CLI::PositiveNumber);
  option("--scale", options->drawing.scale, "Pixels of the picture for one, along each side")
      ->check(CLI::Range(1, 32));
  option("--mask", options->mask, "HDF5 file with the bad pixels, as infer takes it");
  option("--colours", options->drawing.colours, "viridis (default) or grey")
      ->transform(CLI::CheckedTransformer(maps).description(""));
}

}  // namespace

int inspect_files(const InspectOptions& options) {
  end_on_broken_pipe();
  const SignalThread signals([] { std::_Exit(interrupted); });
  return Inspection(options).run();
}

void add_inspect_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* inspect = app.add_subcommand("inspect", "Show what is in messages and CXI files");
  inspect->add_option("files", options->files, "Messages or data files")->required();
  inspect->add_flag("--json", options->json, "As one JSON document");
  inspect->add_option("--event", options->event,
                      "Show an event and its peaks; counted from 0 through all files");
  add_drawing(*inspect, options);
  inspect->footer(footer);
  inspect->callback([options, &exit_code] { exit_code = inspect_files(*options); });
}

}  // namespace pnflow
