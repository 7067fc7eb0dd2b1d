#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>
#include <memory>
#include <string>

#include "cli/push.h"
#include "graph/units.h"

namespace pnflow {

namespace {

std::chrono::milliseconds duration_of(const std::string& text) {
  const auto duration = parse_duration(text);
  if (!duration || duration->count() < 0) {
    throw CLI::ValidationError("'" + text + "' is not a duration such as 30s");
  }
  return std::chrono::ceil<std::chrono::milliseconds>(*duration);
}

// "16x352x384" or "1920x1920".
void set_shape(const std::string& text, SimulationSettings& settings) {
  Shape shape;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    std::size_t extent = 0;
    const auto [stop, error] = std::from_chars(at, end, extent);
    if (error != std::errc() || extent == 0) break;
    shape.push_back(extent);
    at = stop;
    if (at == end || *at != 'x') break;
    ++at;
  }
  if (at != end || shape.size() < 2 || shape.size() > 3) {
    throw CLI::ValidationError("'" + text + "' is not a shape such as 16x352x384 or 1920x1920");
  }
  settings.panels = shape.size() == 3 ? shape[0] : 0;
  settings.height = shape[shape.size() - 2];
  settings.width = shape.back();
}

void add_packing(CLI::App& push, const std::shared_ptr<PushOptions>& options) {
  const std::map<std::string, MessageFormat> formats{{"hdf5", MessageFormat::hdf5},
                                                     {"npz", MessageFormat::npz},
                                                     {"simplon", MessageFormat::simplon},
                                                     {"npay", MessageFormat::npay}};
  const std::map<std::string, MessageCompression> compressions{
      {"none", MessageCompression::none},
      {"gzip", MessageCompression::deflate},
      {"deflate", MessageCompression::deflate},
      {"bitshuffle_lz4", MessageCompression::bitshuffle_lz4}};
  const std::string group = "Events in messages of their own";
  push.add_option(
          "--format", options->packing.format,
          "hdf5, npz, simplon, npay: how simulated events, or the events of the data files, "
          "are packed. A series of simplon has a start and a stop; each of its images is "
          "one event. With --sim hdf5 without asking; without it files are sent as they are")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("NAME")
      ->group(group);
  push.add_option("--events-per-message", options->packing.events_per_message,
                  "Events of one message")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(group);
  push.add_option_function<MessageCompression>(
          "--compression",
          [options](const MessageCompression& compression) {
            options->packing.compression = compression;
          },
          "none, gzip, bitshuffle_lz4 (hdf5); none, deflate (npz); bitshuffle_lz4 (simplon); none "
          "(npay). The first of them by default")
      ->transform(CLI::CheckedTransformer(compressions).description(""))
      ->type_name("NAME")
      ->group(group);
}

void add_simulation(CLI::App& push, const std::shared_ptr<PushOptions>& options, CLI::Option* sim) {
  const std::map<std::string, DType> dtypes{{"uint16", DType::u16},
                                            {"int16", DType::i16},
                                            {"int32", DType::i32},
                                            {"float32", DType::f32},
                                            {"float64", DType::f64}};
  auto& simulation = options->simulation;
  set_shape("16x352x384", simulation);
  const std::string group = "Simulated events";
  push.add_option_function<std::string>(
          "--shape", [options](const std::string& text) { set_shape(text, options->simulation); },
          "Panels, rows and columns, or rows and columns")
      ->default_str("16x352x384")
      ->needs(sim)
      ->group(group);
  push.add_option("--dtype", simulation.dtype, "uint16, int16, int32, float32, float64")
      ->transform(CLI::CheckedTransformer(dtypes).description(""))
      ->type_name("NAME")
      ->default_str("uint16")
      ->needs(sim)
      ->group(group);
  push.add_option("--seed", simulation.seed, "Events follow from the seed alone")
      ->capture_default_str()
      ->needs(sim)
      ->group(group);
  push.add_option_function<std::size_t>(
          "--peaks",
          [options](const std::size_t& peaks) {
            options->simulation.min_peaks = peaks;
            options->simulation.max_peaks = peaks;
          },
          "Bragg peaks of an event, over all panels")
      ->default_str("20")
      ->needs(sim)
      ->group(group);
}

// What the options say together. Throws CLI::ValidationError.
void check(const CLI::App& push, PushOptions& options) {
  const auto given = [&](const std::string& option) { return push.count(option) > 0; };
  const auto refuse = [](const std::string& text) { throw CLI::ValidationError("push", text); };
  if (options.files.empty() && !options.simulate) refuse("--files or --sim must be given");
  if (options.connect.empty() && options.bind.empty()) refuse("--connect or --bind must be given");
  options.pack = given("--format") && !options.simulate;
  const bool packs = options.pack || options.simulate;
  for (const std::string option : {"--events-per-message", "--compression"}) {
    if (given(option) && !packs) refuse(option + " needs --sim or --format");
  }
  if (options.recorded_pace && packs) refuse("--pace recorded is for records as they are");
  const PackingOptions& packing = options.packing;
  if (packing.compression && !can_compress(packing.format, *packing.compression)) {
    refuse(fmt::format("--format {} has no such --compression", name_of(packing.format)));
  }
  if (has_series(packing.format) && packing.events_per_message != 1) {
    refuse("--format simplon has one event in a message");
  }
}

}  // namespace

void add_push_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<PushOptions>();
  CLI::App* push = app.add_subcommand("push", "Send recorded or simulated messages to a pipeline");
  push->add_option("--connect", options->connect, "Endpoint of a pipeline that listens (several)");
  push->add_option("--bind", options->bind, "Endpoint for a pipeline that connects (several)");
  CLI::Option* files = push->add_option(
      "--files", options->files,
      "Files or patterns: records of many messages and files of one message, sent byte for byte; "
      "with --format data files (HDF5, CXI), whose events are packed anew");
  CLI::Option* sim = push->add_flag("--sim", options->simulate, "Send simulated events");
  push->add_option("--count", options->count,
                   "Messages to send of files as they are; events that are packed, each time that "
                   "all are sent. 0: all, of a simulation without end");
  push->add_option("--loop", options->loop, "Times that all of them are sent; 0: without end")
      ->capture_default_str();
  CLI::Option* rate =
      push->add_option("--rate", options->rate, "Messages per second at most; 0: as they are taken")
          ->check(CLI::NonNegativeNumber);
  push->add_option_function<std::string>(
          "--pace",
          [options](const std::string& pace) { options->recorded_pace = pace == "recorded"; },
          "full: as fast as they are taken; recorded: as fast as they arrived, by the times in the "
          "records")
      ->check(CLI::IsMember({"full", "recorded"}).description(""))
      ->type_name("NAME")
      ->default_str("full")
      ->excludes(rate);
  push->add_flag("--end,!--no-end", options->end, "Close with an end marker for every pipeline")
      ->default_str("true");
  push->add_option("--queue", options->send_queue, "Messages that ZeroMQ holds for each pipeline")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  push->add_option_function<std::string>(
          "--timeout", [options](const std::string& text) { options->timeout = duration_of(text); },
          "How long to wait for a pipeline")
      ->default_str("30s");
  push->add_option_function<std::string>(
          "--linger", [options](const std::string& text) { options->linger = duration_of(text); },
          "How long to wait at the end until all is delivered")
      ->default_str("30s");
  add_packing(*push, options);
  add_simulation(*push, options, sim);
  files->excludes(sim);
  push->footer(
      "Exit codes: 0 sent, 1 no pipeline or not all delivered, 2 usage. SIGINT ends the\n"
      "sending, a second one drops what is not sent yet.");
  push->callback([options, push, &exit_code] {
    check(*push, *options);
    exit_code = push_messages(*options);
  });
}

}  // namespace pnflow
