#include "gpu/pipeline_figures.h"

namespace pnflow {

namespace {

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

double over(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

std::vector<Figure> figures_of(const PipelineFigures& f, const std::string& name) {
  const double wall = seconds(f.wall);
  const auto share = [](std::chrono::nanoseconds part, std::chrono::nanoseconds whole) {
    return 100 * over(seconds(part), seconds(whole));
  };
  const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
  constexpr double mebi = 1 << 20;
  return {
      {name, "rate", over(number(f.images), wall), "images/s"},
      {name, "H2D", over(number(f.bytes_up), wall) / 1e9, "GB/s"},
      {name, "H2D busy", share(f.up, f.wall), "%"},
      {name, "compute busy", share(f.compute, f.wall), "%"},
      {name, "D2H", over(number(f.bytes_down), wall) / 1e9, "GB/s"},
      {name, "D2H busy", share(f.down, f.wall), "%"},
      {name, "compute idle", share(f.idle, f.steady), "%"},
      {name, "micro-batches", number(f.micro_batches), ""},
      {name, "images/micro-batch", over(number(f.images), number(f.micro_batches)), ""},
      {name, "full", 100 * over(number(f.full_micro_batches), number(f.micro_batches)), "%"},
      {name, "graph launches", number(f.graph_launches), ""},
      {name, "staged images", number(f.staged_images), ""},
      {name, "allocations", number(f.allocations), ""},
      {name, "last allocation at micro-batch", number(f.last_allocation), ""},
      {name, "device memory", number(f.device_bytes) / mebi, "MiB"},
      {name, "pinned memory", number(f.pinned_bytes) / mebi, "MiB"},
  };
}

}  // namespace pnflow
