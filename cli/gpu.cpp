#include "cli/gpu.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/gpu_overview.h"
#include "cli/gpu_report.h"
#include "cli/signals.h"

namespace pnflow {

namespace {

constexpr int run_time_error = 1;

}  // namespace

int describe_gpus(const GpuOptions& options) {
  end_on_broken_pipe();
  const GpuOverview overview = look_at_gpus(options.measure, options.load_torch);
  fmt::print("{}", options.json ? gpu_json(overview).dump(2) + "\n" : gpu_text(overview));
  for (const std::string& fault : overview.faults) {
    fmt::print(stderr, "pnflow: cannot measure copies: {}\n", fault);
  }
  return overview.faults.empty() ? 0 : run_time_error;
}

void add_gpu_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<GpuOptions>();
  CLI::App* gpu = app.add_subcommand("gpu", "Tell which GPUs there are and what can run on them");
  gpu->add_flag("--measure,!--no-measure", options->measure,
                "Copy 256 MiB to each GPU and back, several times; the default");
  gpu->add_flag("--engines", options->load_torch, "Load LibTorch to see its engines too");
  gpu->add_flag("--json", options->json, "As JSON");
  gpu->footer(
      "\"Both at once\" is the sum of both directions. Memory that is free is so with CUDA's own\n"
      "taken.\n"
      "Exit codes: 0 told, also when there is no GPU, 1 copies cannot be measured.");
  gpu->callback([options, &exit_code] { exit_code = describe_gpus(*options); });
}

}  // namespace pnflow
