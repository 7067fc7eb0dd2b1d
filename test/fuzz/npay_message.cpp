// Input: a message.

#include <cstdint>

#include "io/npay_reader.h"
#include "test/fuzz/read_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pnflow;
  const auto bytes = std::as_bytes(std::span(data, size));
  const OpenOptions options{.max_array_bytes = fuzz::max_array_bytes};
  fuzz::read_message([&] { return std::make_unique<NpayReader>(bytes, options); });
  return 0;
}
