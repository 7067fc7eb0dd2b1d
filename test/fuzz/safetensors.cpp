// Input: a safetensors file, which may be a PeakNet's weights.

#include "gpu/peaknet/safetensors.h"

#include <cstdint>
#include <cstdlib>

#include "gpu/peaknet/peaknet_weights.h"
#include "graph/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pnflow;
  try {
    StateDict state = parse_safetensors(std::as_bytes(std::span(data, size)), nullptr, "fuzz");
    std::size_t values = 0;
    for (const auto& [name, tensor] : state) {
      if (elements_of(tensor.shape) * size_of(tensor.type) != tensor.bytes.size()) std::abort();
      if (tensor.type <= WeightType::bf16 || tensor.type == WeightType::boolean) {
        values += floats_of(tensor).size();
      }
    }
    if (values > size) std::abort();
    const PeakNetWeights weights = peaknet_weights(std::move(state), "fuzz");
    if (tensors_of(weights.config).size() != weights.tensors.size()) std::abort();
  } catch (const RunError&) {  // a fault of the file
  }
  return 0;
}
