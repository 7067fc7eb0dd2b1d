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

void add_simulation(CLI::App& push, const std::shared_ptr<PushOptions>& options, CLI::Option* sim) {
  const std::map<std::string, DType> dtypes{{"uint16", DType::u16},
                                            {"int16", DType::i16},
                                            {"int32", DType::i32},
                                            {"float32", DType::f32},
                                            {"float64", DType::f64}};
  const std::map<std::string, Hdf5Compression> compressions{
      {"none", Hdf5Compression::none},
      {"gzip", Hdf5Compression::gzip},
      {"bitshuffle_lz4", Hdf5Compression::bitshuffle_lz4}};
  auto& simulated = options->simulated;
  set_shape("16x352x384", simulated.simulation);
  const std::string group = "Simulated events";
  push.add_option("--events-per-message", simulated.events_per_message, "Events of one message")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->needs(sim)
      ->group(group);
  push.add_option_function<std::string>(
          "--shape",
          [options](const std::string& text) { set_shape(text, options->simulated.simulation); },
          "Panels, rows and columns, or rows and columns")
      ->default_str("16x352x384")
      ->needs(sim)
      ->group(group);
  push.add_option("--dtype", simulated.simulation.dtype, "uint16, int16, int32, float32, float64")
      ->transform(CLI::CheckedTransformer(dtypes).description(""))
      ->type_name("NAME")
      ->default_str("uint16")
      ->needs(sim)
      ->group(group);
  push.add_option("--compression", simulated.compression, "none, gzip, bitshuffle_lz4")
      ->transform(CLI::CheckedTransformer(compressions).description(""))
      ->type_name("NAME")
      ->default_str("none")
      ->needs(sim)
      ->group(group);
  push.add_option("--seed", simulated.simulation.seed, "Events follow from the seed alone")
      ->capture_default_str()
      ->needs(sim)
      ->group(group);
  push.add_option_function<std::size_t>(
          "--peaks",
          [options](const std::size_t& peaks) {
            options->simulated.simulation.min_peaks = peaks;
            options->simulated.simulation.max_peaks = peaks;
          },
          "Bragg peaks of an event, over all panels")
      ->default_str("20")
      ->needs(sim)
      ->group(group);
}

}  // namespace

void add_push_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<PushOptions>();
  CLI::App* push = app.add_subcommand("push", "Send recorded or simulated messages to a pipeline");
  push->add_option("--connect", options->connect, "Endpoint of a pipeline that listens (several)");
  push->add_option("--bind", options->bind, "Endpoint for a pipeline that connects (several)");
  CLI::Option* files = push->add_option("--files", options->files,
                                        "Messages to send: files or patterns, one message a file");
  CLI::Option* sim =
      push->add_flag("--sim", options->simulate, "Send simulated events as HDF5 messages");
  push->add_option("--count", options->count,
                   "Messages of files, or events of a simulation, to send; 0: all, without end");
  push->add_option("--loop", options->loop, "Times that all of them are sent; 0: without end")
      ->capture_default_str();
  push->add_option("--rate", options->rate, "Messages per second at most; 0: as they are taken")
      ->check(CLI::NonNegativeNumber);
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
  add_simulation(*push, options, sim);
  files->excludes(sim);
  push->footer(
      "Exit codes: 0 sent, 1 no pipeline or not all delivered, 2 usage. SIGINT ends the\n"
      "sending, a second one drops what is not sent yet.");
  push->callback([options, files, sim, &exit_code] {
    if (files->empty() && sim->empty()) {
      throw CLI::ValidationError("push", "--files or --sim must be given");
    }
    if (options->connect.empty() && options->bind.empty()) {
      throw CLI::ValidationError("push", "--connect or --bind must be given");
    }
    exit_code = push_messages(*options);
  });
}

}  // namespace pnflow
