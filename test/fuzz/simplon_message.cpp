// Input: length of a start message (4 bytes, little endian), that message, an image message.

#include "io/hdf5_exit.h"
#include "test/fuzz/fuzz_input.h"
#include "test/fuzz/read_message.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  pnflow::skip_hdf5_cleanup_at_exit();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pnflow;
  fuzz::FuzzInput input(data, size);
  // Copies of their own, so that one read beyond its end is not one into the other.
  const auto copy = [](std::span<const std::byte> bytes) {
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  const std::vector<std::byte> start = copy(input.take(input.number(4)));
  const std::vector<std::byte> image = copy(input.rest());
  const OpenOptions options{.max_array_bytes = fuzz::max_array_bytes, .start = start};
  fuzz::read_message([&] { return open_message(image, options); });
  // As it is read when its start message is not known, and the start message by itself.
  const OpenOptions with_shape{.max_array_bytes = fuzz::max_array_bytes, .shape = {85, 93}};
  fuzz::read_message([&] { return open_message(image, with_shape); });
  fuzz::read_message([&] { return open_message(start, options); });
  return 0;
}
