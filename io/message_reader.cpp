#include "io/message_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "graph/error.h"
#include "io/hdf5_message.h"

namespace pnflow {
namespace {

class Hdf5Field final : public MessageField {
 public:
  explicit Hdf5Field(Hdf5Dataset dataset) : dataset_(std::move(dataset)) {}
  const std::string& name() const override { return dataset_.info().path; }
  DType dtype() const override { return dataset_.info().dtype; }
  const Shape& shape() const override { return dataset_.info().shape; }
  void read(std::size_t index, std::span<std::byte> out) const override {
    dataset_.read_event(index, out);
  }

 private:
  Hdf5Dataset dataset_;
};

class Hdf5Reader final : public MessageReader {
 public:
  explicit Hdf5Reader(std::span<const std::byte> bytes) : message_(bytes) {}
  std::unique_ptr<MessageField> find(std::span<const std::string> names) const override {
    auto dataset = message_.find(names);
    return dataset ? std::make_unique<Hdf5Field>(std::move(*dataset)) : nullptr;
  }

 private:
  Hdf5Message message_;
};

bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char c, std::byte b) { return static_cast<std::byte>(c) == b; });
}

// Simplon as LCLStreamer writes it: `c` (control) or `m` (image), then a CBOR map (major type 5).
bool looks_like_simplon(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && (starts_with(bytes, "c") || starts_with(bytes, "m")) &&
         std::to_integer<unsigned>(bytes[1]) >> 5U == 5;
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

std::unique_ptr<MessageReader> open_message(std::span<const std::byte> bytes) {
  if (looks_like_hdf5(bytes)) return std::make_unique<Hdf5Reader>(bytes);
  const auto unsupported = [](std::string_view what) {
    throw DataError("unsupported format", fmt::format("{}; HDF5 is read", what));
  };
  if (starts_with(bytes, "PK\x03\x04")) unsupported("a NumPy archive (npz)");
  if (starts_with(bytes, "YAPN")) unsupported("NPAY (FastBinarySerializer)");
  if (looks_like_simplon(bytes)) unsupported("Simplon 1.8");
  throw DataError("unknown format", first_bytes_of(bytes));
}

}  // namespace pnflow
