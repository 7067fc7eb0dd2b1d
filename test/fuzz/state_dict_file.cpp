// Input: a file of weights, be it an archive of torch.save or safetensors.

#include "gpu/peaknet/state_dict_file.h"

#include <cstdint>
#include <cstdlib>

#include "graph/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pnflow;
  try {
    for (const auto& [name, tensor] :
         parse_state_dict(std::as_bytes(std::span(data, size)), nullptr, "fuzz")) {
      if (tensor.bytes.size() > size) std::abort();
      if (elements_of(tensor.shape) * size_of(tensor.type) != tensor.bytes.size()) std::abort();
      if (tensor.type <= WeightType::bf16) floats_of(tensor);
    }
  } catch (const RunError&) {  // a fault of the file
  }
  return 0;
}
