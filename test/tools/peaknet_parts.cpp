// How far engine peaknet on the CPU is from PyTorch, part by part.
//
//   pnflow_peaknet_parts WEIGHTS EXPECTED.safetensors
//
// EXPECTED has `images` (N, 1, H, W), `logits`, and what PyTorch's modules give for these images,
// under their names, in float32. Prints a line for each part: its name, the largest difference, and
// the largest value of PyTorch's. Exits 1 when a part is not compared. Computes in float32, with
// one thread.

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <exception>
#include <string>
#include <vector>

#include "gpu/peaknet/safetensors.h"
#include "gpu/peaknet/state_dict_file.h"
#include "gpu/torch/peaknet_logits.h"
#include "graph/error.h"

namespace {

using namespace pnflow;

at::Tensor tensor_named(const StateDict& expected, const std::string& name) {
  const auto found = expected.find(name);
  if (found == expected.end()) throw RunError("there is no '" + name + "'");
  const std::vector<std::int64_t> shape(found->second.shape.begin(), found->second.shape.end());
  std::vector<float> values = floats_of(found->second);
  return at::from_blob(values.data(), shape, at::kFloat).clone();
}

void run(const std::string& weights, const std::string& file) {
  const c10::InferenceMode inference;
  at::set_num_threads(1);
  const StateDict expected = read_safetensors(file);
  const auto parts =
      peaknet_parts(peaknet_weights(read_state_dict(weights), weights), at::kFloat, at::kCPU);
  std::size_t compared = 1;  // images
  const PeakNetWatch compare = [&](const std::string& part, const at::Tensor& output) {
    const at::Tensor wanted = tensor_named(expected, part);
    if (output.sizes() != wanted.sizes()) throw RunError(part + " has another shape");
    const at::Tensor difference = (output - wanted).abs();
    fmt::print("{} {:g} {:g}\n", part, difference.max().item<float>(),
               wanted.abs().max().item<float>());
    ++compared;
  };
  compare("logits", peaknet_logits(parts, tensor_named(expected, "images"), compare));
  if (compared != expected.size()) throw RunError("not all parts that are expected were there");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
