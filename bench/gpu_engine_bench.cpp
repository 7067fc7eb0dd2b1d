// A network on a GPU and nothing else: its input lies on the device already, and micro-batches are
// enqueued back to back on one stream, without waiting in between, up to logits, or to maps with an
// engine that has no logits. What a whole graph reaches is measured against this.
//
//   pnflow_gpu_engine_bench --engine aoti --weights base.pt2 --precision bfloat16 --batch-size 8

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "gpu/device_model.h"
#include "graph/error.h"
#include "graph/registry.h"

namespace {

using namespace pnflow;
using Clock = std::chrono::steady_clock;

void check(cudaError_t code) {
  if (code != cudaSuccess) throw RunError(cudaGetErrorString(code));
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

struct Options {
  EngineSettings engine;
  std::size_t height = 1920, width = 1920;
  double seconds = 30;
};

// Normal noise, as normalised images are: on constants a device needs less power and is faster.
template <class Value>
std::vector<std::byte> noise_of(std::size_t values) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<Value> table(1 << 16);
  for (Value& value : table) value = static_cast<Value>(normal(random));
  std::vector<std::byte> bytes(values * sizeof(Value));
  for (std::size_t i = 0; i < values; ++i) {
    std::memcpy(&bytes[i * sizeof(Value)], &table[random() % table.size()], sizeof(Value));
  }
  return bytes;
}

std::vector<std::byte> noise(std::size_t values, Precision precision) {
  switch (precision) {
    case Precision::float32: return noise_of<float>(values);
    case Precision::bfloat16: return noise_of<__nv_bfloat16>(values);
    case Precision::float16: break;
  }
  return noise_of<__half>(values);
}

// Images per second.
double measure(DeviceModel& model, const Options& options) {
  const std::size_t images = options.engine.batch_size;
  const auto host = noise(images * options.height * options.width, options.engine.precision);
  void* values = nullptr;
  cudaStream_t stream = nullptr;
  check(cudaMalloc(&values, host.size()));
  check(cudaMemcpy(values, host.data(), host.size(), cudaMemcpyHostToDevice));
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  const DeviceImages input{values, options.engine.precision, images, options.height, options.width};
  const MapGeometry geometry = map_geometry(options.height, options.width, {});
  void* maps = nullptr;
  check(cudaMalloc(&maps, images * geometry.map_bytes(MapFormat::bits)));
  const DeviceMaps answer{images, geometry, MapFormat::bits, static_cast<std::byte*>(maps)};
  const auto run = [&] {
    if (!model.run_to_maps(input, answer, stream)) model.run(input, stream);
  };
  constexpr int warm_up = 4;
  for (int i = 0; i < warm_up; ++i) run();
  model.capture({&input, 1}, stream);
  check(cudaStreamSynchronize(stream));
  // The device has several micro-batches to do whenever the host looks at the clock.
  const auto begin = Clock::now();
  std::size_t done = 0;
  cudaEvent_t behind = nullptr;
  check(cudaEventCreateWithFlags(&behind, cudaEventDisableTiming | cudaEventBlockingSync));
  check(cudaEventRecord(behind, stream));
  while (seconds_since(begin) < options.seconds) {
    for (int i = 0; i < 4; ++i) run();
    done += 4 * images;
    check(cudaEventSynchronize(behind));  // of the four before these
    check(cudaEventRecord(behind, stream));
  }
  check(cudaStreamSynchronize(stream));
  return static_cast<double>(done) / seconds_since(begin);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.engine.devices = {0};
  options.engine.batch_size = 8;
  CLI::App app("Measures a network on a GPU alone.");
  app.add_option("--engine", options.engine.name, "torchscript, aoti or peaknet")->required();
  app.add_option("--weights", options.engine.weights, "the model's file")->required();
  std::map<std::string, Precision> precisions;
  for (const auto one : {Precision::float32, Precision::bfloat16, Precision::float16}) {
    precisions.emplace(name_of(one), one);
  }
  app.add_option("--precision", options.engine.precision, "in which it computes")
      ->transform(CLI::CheckedTransformer(precisions));
  app.add_option("--batch-size", options.engine.batch_size, "images");
  const std::map<std::string, CudaGraph> graphs{{"auto", CudaGraph::automatic},
                                                {"off", CudaGraph::off}};
  app.add_option("--cuda-graph", options.engine.cuda_graph, "as the graph's infer has")
      ->transform(CLI::CheckedTransformer(graphs));
  app.add_option("--height", options.height, "pixels");
  app.add_option("--width", options.width, "pixels");
  app.add_option("--seconds", options.seconds, "to measure");
  CLI11_PARSE(app, argc, argv);
  try {
    Registry registry;
    load_module(registry, options.engine.name == "peaknet" ? "peaknet" : "torch",
                "scripts/build.sh default builds it");
    const auto offer = registry.find_offer(device_model_interface, options.engine.name);
    if (!offer) throw RunError("no such engine on GPUs: " + options.engine.name);
    const auto models = std::static_pointer_cast<DeviceModelFactory>(offer)->make(options.engine);
    fmt::print("{{\"engine\": \"{}\", \"batch_size\": {}, \"images_per_second\": {:.2f}}}\n",
               options.engine.name, options.engine.batch_size, measure(*models.front(), options));
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
