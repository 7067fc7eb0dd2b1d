#include "io/simplon_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

#include "graph/error.h"
#include "io/codecs.h"

namespace pnflow {
namespace {

constexpr std::string_view image_key = "compressed_data";
constexpr std::string_view bitshuffle_lz4 = "bitshuffle-lz4";
// Of the stream that LCLStreamer makes with bitshuffle.compress_lz4(image, 4096).
constexpr std::size_t block_elements = 4096;

using ConstBytes = std::span<const std::byte>;

// A number or text of the message: one entry.
class SimplonValueField final : public MessageField {
 public:
  explicit SimplonValueField(const CborMap::Entry& entry)
      : name_(entry.key), value_(entry.value), shape_(shape_of(entry.value)) {}
  const std::string& name() const override { return name_; }
  DType dtype() const override {
    constexpr DType dtypes[] = {DType::i64, DType::u64, DType::f64, DType::u8, DType::u8};
    return dtypes[value_.index()];
  }
  const Shape& shape() const override { return shape_; }
  bool is_text() const override { return std::holds_alternative<std::string_view>(value_); }
  std::string storage() const override { return "CBOR"; }

  void read(std::size_t index, std::span<std::byte> out) const override {
    std::visit(
        [&](const auto& value) {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, ConstBytes>) {
            out[0] = value[index];
          } else if constexpr (!std::is_same_v<T, std::string_view>) {
            std::memcpy(out.data(), &value, sizeof(value));
          }
        },
        value_);
  }
  std::string text(std::size_t index) const override {
    const auto* text = std::get_if<std::string_view>(&value_);
    return text == nullptr ? MessageField::text(index) : std::string(*text);
  }

 private:
  static Shape shape_of(const CborMap::Value& value) {
    const auto* bytes = std::get_if<ConstBytes>(&value);
    return {bytes == nullptr ? 1 : bytes->size()};
  }

  std::string name_;
  CborMap::Value value_;
  Shape shape_;
};

class SimplonImageField final : public MessageField {
 public:
  SimplonImageField(ConstBytes stored, DType dtype, Shape shape)
      : stored_(stored), dtype_(dtype), shape_(std::move(shape)) {}
  const std::string& name() const override { return name_; }
  DType dtype() const override { return dtype_; }
  const Shape& shape() const override { return shape_; }
  std::string storage() const override { return std::string(bitshuffle_lz4); }
  std::optional<std::size_t> stored_bytes() const override { return stored_.size(); }
  void read(std::size_t, std::span<std::byte> out) const override {
    codecs::bitshuffle_decode(stored_, size_of(dtype_), block_elements,
                              codecs::BitshuffleCompressor::lz4, out);
  }

 private:
  std::string name_{image_key};
  ConstBytes stored_;
  DType dtype_;
  Shape shape_;
};

// LZ4 makes at least one byte of 255, and each block has its size in front: what claims to hold
// more is refused before anybody allocates it.
void check_plausible(std::size_t stored, std::size_t elements, std::size_t element_bytes,
                     std::size_t max_bytes, const Shape& shape) {
  constexpr std::size_t densest = 255;
  const std::size_t most = std::min(max_bytes, (stored + 1) * densest);
  if (elements > most / element_bytes) {
    throw DataError("implausible size", fmt::format("{} bytes cannot hold an image of {} elements "
                                                    "of {} bytes",
                                                    stored, to_string(shape), element_bytes));
  }
}

}  // namespace

SimplonReader::SimplonReader(std::span<const std::byte> bytes, const OpenOptions& options)
    : message_(bytes), shape_(options.shape), max_array_bytes_(options.max_array_bytes) {
  if (!options.start.empty()) start_.emplace(options.start);
}

const FieldNames& SimplonReader::usual_names() const {
  static const FieldNames names{.image = {std::string(image_key)},
                                .timestamp = {"timestamp"},
                                .wavelength = {},
                                .photon_energy = {},
                                .original_shape = {}};
  return names;
}

std::vector<std::string> SimplonReader::names() const {
  std::vector<std::string> names;
  for (const CborMap::Entry& entry : message_.map().entries()) names.emplace_back(entry.key);
  std::ranges::sort(names);
  return names;
}

std::unique_ptr<MessageField> SimplonReader::find(std::span<const std::string> names) const {
  const auto& entries = message_.map().entries();
  for (const std::string& name : names) {
    const auto entry = std::ranges::find(entries, name, &CborMap::Entry::key);
    if (entry == entries.end()) continue;
    if (name == image_key && message_.kind() == SimplonMessage::Kind::image) return image();
    return std::make_unique<SimplonValueField>(*entry);
  }
  return nullptr;
}

std::unique_ptr<MessageField> SimplonReader::image() const {
  const auto* stored = std::get_if<ConstBytes>(message_.map().find(image_key));
  if (stored == nullptr) throw DataError("wrong dtype", "compressed_data is no byte string");
  if (!start_ && shape_.empty()) {
    throw DataError(
        "no start message",
        fmt::format("of run '{}', which alone says what shape the image has", message_.run()));
  }
  Shape shape = start_ ? start_->image_shape() : shape_;
  const std::string_view algorithm = start_ ? start_->map().text("algorithm") : bitshuffle_lz4;
  if (algorithm != bitshuffle_lz4) {
    throw DataError("unknown filter",
                    fmt::format("'{}' of a Simplon series; bitshuffle-lz4 is read", algorithm));
  }
  std::string_view type = message_.map().text("dtype");
  if (type.empty() && start_) type = start_->map().text("datatype");
  const auto dtype = dtype_named(type);
  if (!dtype) throw DataError("wrong dtype", fmt::format("compressed_data is '{}'", type));
  check_plausible(stored->size(), elements_of(shape), size_of(*dtype), max_array_bytes_, shape);
  shape.insert(shape.begin(), 1);
  return std::make_unique<SimplonImageField>(*stored, *dtype, std::move(shape));
}

}  // namespace pnflow
