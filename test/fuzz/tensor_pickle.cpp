// Input: the pickle of a file of torch.save. Every tensor is made out of a storage of its size, if
// that is not too large.

#include "gpu/peaknet/tensor_pickle.h"

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "graph/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pnflow;
  constexpr std::uint64_t most_values = 4096;
  try {
    for (const auto& [name, tensor] :
         parse_tensor_pickle(std::as_bytes(std::span(data, size)), "fuzz")) {
      if (tensor.storage_values > most_values) continue;
      const std::vector<std::byte> storage(tensor.storage_values * size_of(tensor.type));
      const WeightTensor made = tensor_of(tensor, storage, nullptr);
      if (made.bytes.size() != elements_of(tensor.shape) * size_of(tensor.type)) std::abort();
      for (const std::byte byte : made.bytes) {
        if (byte != std::byte{0}) std::abort();
      }
    }
  } catch (const RunError&) {  // a fault of the file
  }
  return 0;
}
