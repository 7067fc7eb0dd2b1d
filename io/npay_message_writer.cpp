#include "io/npay_message_writer.h"

#include <cstdint>
#include <string_view>

#include "io/bytes_out.h"

namespace pnflow {
namespace {

constexpr std::uint32_t version = 1;
constexpr std::uint8_t stored = 0;

}  // namespace

std::vector<std::byte> write_npay_message(std::span<const NamedArray> arrays) {
  BytesOut out;
  const auto text = [&](std::string_view text) {
    out.number(static_cast<std::uint32_t>(text.size())).text(text);
  };
  out.text("YAPN").number(version).number(static_cast<std::uint32_t>(arrays.size()));
  for (const NamedArray& array : arrays) {
    check_named_array(array);
    text(array.name);
    text(numpy_descr(array.dtype));
    out.number(static_cast<std::uint32_t>(array.shape.size()));
    for (const std::size_t extent : array.shape) out.number<std::uint64_t>(extent);
    const std::uint64_t bytes = array.data.size();
    out.number(stored).number(bytes).number(bytes).bytes(array.data);
  }
  return std::move(out).take();
}

}  // namespace pnflow
