#pragma once

namespace CLI {
class App;
}

namespace pnflow {

struct GpuOptions {
  bool measure = true;
  bool load_torch = false;
  bool json = false;
};

// Prints which GPUs there are, what drives them, what can run on them and how fast copies are.
// Returns the exit code: 0, also when there is no GPU; 1 when one cannot be measured.
int describe_gpus(const GpuOptions& options);

// Adds `pnflow gpu` to the command line; its exit code goes to `exit_code`.
void add_gpu_command(CLI::App& app, int& exit_code);

}  // namespace pnflow
