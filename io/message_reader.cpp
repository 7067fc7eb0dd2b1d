#include "io/message_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "graph/error.h"
#include "io/hdf5_reader.h"
#include "io/npay_reader.h"
#include "io/npz_reader.h"
#include "io/simplon_reader.h"

namespace pnflow {
namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char c, std::byte b) { return static_cast<std::byte>(c) == b; });
}

std::string first_bytes_of(std::span<const std::byte> bytes) {
  constexpr std::size_t shown = 16;
  std::string text = fmt::format("{} bytes that begin with", bytes.size());
  for (const std::byte byte : bytes.first(std::min(shown, bytes.size()))) {
    text += fmt::format(" {:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

}  // namespace

std::string MessageField::text(std::size_t) const {
  throw DataError("wrong dtype", fmt::format("{} is {}, not text", name(), name_of(dtype())));
}

std::unique_ptr<MessageReader> open_message(std::span<const std::byte> bytes,
                                            const OpenOptions& options) {
  if (looks_like_hdf5(bytes)) return std::make_unique<Hdf5Reader>(bytes, options.file);
  if (starts_with(bytes, "PK\x03\x04")) return std::make_unique<NpzReader>(bytes, options);
  if (starts_with(bytes, "YAPN")) return std::make_unique<NpayReader>(bytes, options);
  if (SimplonMessage::recognises(bytes)) return std::make_unique<SimplonReader>(bytes, options);
  throw DataError("unknown format", first_bytes_of(bytes));
}

}  // namespace pnflow
