// Input: a message.

#include <cstdint>

#include "io/hdf5_exit.h"
#include "io/hdf5_reader.h"
#include "test/fuzz/read_message.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  pnflow::skip_hdf5_cleanup_at_exit();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pnflow;
  const auto bytes = std::as_bytes(std::span(data, size));
  fuzz::read_message([&] { return std::make_unique<Hdf5Reader>(bytes); });
  return 0;
}
