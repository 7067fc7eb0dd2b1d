// Input: the beginning of an .npy file, and after a header that can be read, an element.

#include "io/npy_header.h"

#include <cstdint>

#include "test/fuzz/read_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pnflow;
  const auto bytes = std::as_bytes(std::span(data, size));
  fuzz::ignoring_data_errors([&] {
    const NpyHeader header = parse_npy_header(bytes);
    if (header.header_bytes > size) std::abort();
    if (header.data_bytes != numpy_bytes(header.type, header.shape)) std::abort();
    const auto rest = bytes.subspan(header.header_bytes);
    if (rest.size() < header.type.bytes) return;
    const auto element = rest.first(header.type.bytes);
    if (header.type.is_text()) {
      static_cast<void>(numpy_text(header.type, element));
    } else {
      const auto out = std::make_unique_for_overwrite<std::byte[]>(element.size());
      copy_numbers(header.type, element, {out.get(), element.size()});
    }
  });
  return 0;
}
