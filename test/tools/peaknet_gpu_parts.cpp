// How far engine peaknet on a GPU is from PyTorch, part by part.
//
//   pnflow_peaknet_gpu_parts WEIGHTS EXPECTED.safetensors PRECISION
//
// EXPECTED has `images` (N, 1, H, W), `logits`, and what PyTorch's modules give for these images,
// under their names, in float32. Prints a line for each part that engine peaknet has too: its name,
// the largest difference, and the largest value of PyTorch's; of the logits, it is the difference
// between the classes. The parts that exist only within its kernels are left out. Computes on GPU 0
// with float32 sums, or float16 ones in depthwise convolutions: PRECISION is float32, bfloat16,
// bfloat16-half, float16 or float16-half.

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/cuda_handles.h"
#include "gpu/peaknet/peaknet_weights.h"
#include "gpu/peaknet/safetensors.h"
#include "gpu/peaknet/state_dict_file.h"
#include "gpu/peaknet_cuda/peaknet_program.h"
#include "graph/error.h"

namespace {

using namespace pnflow;

struct Arithmetic {
  Precision precision;
  DepthwiseSums sums = DepthwiseSums::float32;
};

const std::map<std::string, Arithmetic> arithmetics{
    {"float32", {Precision::float32}},
    {"bfloat16", {Precision::bfloat16}},
    {"bfloat16-half", {Precision::bfloat16, DepthwiseSums::float16}},
    {"float16", {Precision::float16}},
    {"float16-half", {Precision::float16, DepthwiseSums::float16}},
};

WeightType weight_type(Precision precision) {
  switch (precision) {
    case Precision::float32: return WeightType::f32;
    case Precision::bfloat16: return WeightType::bf16;
    case Precision::float16: break;
  }
  return WeightType::f16;
}

std::vector<float> downloaded(const void* values, std::size_t count, Precision precision) {
  std::vector<std::byte> bytes(count * size_of(precision));
  check(cudaMemcpy(bytes.data(), values, bytes.size(), cudaMemcpyDeviceToHost), "cudaMemcpy");
  return floats_of({weight_type(precision), {count}, bytes, nullptr});
}

struct Compared {
  float difference = 0, largest = 0;
  void add(float actual, float expected) {
    // Not smaller, with a NaN.
    if (!(std::abs(actual - expected) <= difference)) difference = std::abs(actual - expected);
    largest = std::max(largest, std::abs(expected));
  }
  void print(const std::string& part) const {
    fmt::print("{} {:g} {:g}\n", part, difference, largest);
  }
};

// `actual` is channels-last, `expected` (N, C, H, W).
Compared compare(const std::vector<float>& actual, const WeightTensor& expected,
                 const std::string& part, const PixelGrid& grid, std::size_t channels) {
  if (expected.shape != Shape{grid.images, channels, grid.height, grid.width}) {
    throw RunError(part + " has another shape");
  }
  const std::vector<float> wanted = floats_of(expected);
  Compared compared;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const std::size_t pixel = i / channels;
    const std::size_t plane = pixel / grid.of_image() * channels + i % channels;
    compared.add(actual[i], wanted[plane * grid.of_image() + pixel % grid.of_image()]);
  }
  return compared;
}

// Of logit 1 - logit 0.
Compared compare_logits(const std::vector<float>& actual, const WeightTensor& expected,
                        std::size_t pixels) {
  const std::vector<float> wanted = floats_of(expected);
  if (wanted.size() != actual.size()) throw RunError("logits have another shape");
  Compared compared;
  for (std::size_t i = 0; i < actual.size() / 2; ++i) {
    const std::size_t at = i / pixels * 2 * pixels + i % pixels;
    compared.add(actual[at + pixels] - actual[at], wanted[at + pixels] - wanted[at]);
  }
  return compared;
}

void run(const std::string& weights, const std::string& file, const Arithmetic& arithmetic) {
  const StateDict expected = read_safetensors(file);
  const auto tensor = [&](const std::string& name) -> const WeightTensor& {
    const auto found = expected.find(name);
    if (found == expected.end()) throw RunError("there is no '" + name + "'");
    return found->second;
  };
  const PlacedPeakNet net(fold_peaknet(peaknet_weights(read_state_dict(weights), weights)),
                          arithmetic.precision);
  const WeightTensor& images = tensor("images");
  const std::vector<float> pixels = floats_of(images);
  CudaBuffer input(MemoryKind::device);
  input.reserve(pixels.size() * sizeof(float));
  check(cudaMemcpy(input.data(), pixels.data(), pixels.size() * sizeof(float),
                   cudaMemcpyHostToDevice),
        "cudaMemcpy");

  const Stream stream;
  LibraryOperations libraries(
      std::make_shared<AlgorithmCache>(std::filesystem::path(), [](const std::string&) {}));
  PeakNetProgram program(
      net, libraries,
      {input.data(), Precision::float32, images.shape[0], images.shape[2], images.shape[3]},
      arithmetic.sums,
      [&](const std::string& part, const void* values, const PixelGrid& grid,
          std::size_t channels) {
        const auto actual = downloaded(values, grid.all() * channels, net.precision());
        compare(actual, tensor(part), part, grid, channels).print(part);
      });
  CudaBuffer memory(MemoryKind::device);
  memory.reserve(program.plan().bytes);
  program.place(memory.data());
  program.prepare(stream);
  libraries.settle();
  program.run(input.data(), stream);

  const PixelGrid maps{images.shape[0], images.shape[2], images.shape[3]};
  const MapGeometry geometry = map_geometry(maps.height, maps.width, {});
  CudaBuffer bits(MemoryKind::device);
  bits.reserve(maps.images * geometry.map_bytes(MapFormat::bits));
  CudaBuffer logits(MemoryKind::device);
  logits.reserve(2 * maps.all() * sizeof(float));
  decide_peaks(program.scores(), net.scores(), net.bias(), net.config().patch_size,
               program.patches(), program.merged(),
               {maps.images, geometry, MapFormat::bits, bits.data(),
                reinterpret_cast<float*>(logits.data())},
               stream);
  check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  compare_logits(downloaded(logits.data(), 2 * maps.all(), Precision::float32), tensor("logits"),
                 maps.of_image())
      .print("logits");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 || !arithmetics.contains(argv[3])) return 2;
  try {
    run(argv[1], argv[2], arithmetics.at(argv[3]));
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
