#include "io/npay_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "graph/error.h"
#include "io/byte_cursor.h"
#include "io/npy_header.h"
#include "io/numpy_field.h"
#include "io/utf8.h"

namespace pnflow {
namespace {

constexpr std::size_t magic_bytes = 4;
constexpr std::uint32_t known_version = 1;
constexpr std::size_t least_entry_bytes = 4 + 4 + 4 + 1 + 8 + 8;
constexpr std::uint32_t max_axes = 64;

[[noreturn]] void damaged(const std::string& what) {
  throw DataError("damaged metadata", "NPAY message: " + what);
}

}  // namespace

NpayReader::NpayReader(std::span<const std::byte> bytes, const OpenOptions& options)
    : max_array_bytes_(options.max_array_bytes) {
  ByteCursor cursor(bytes, "truncated");
  cursor.take(magic_bytes);
  if (const auto version = cursor.number<std::uint32_t>(); version != known_version) {
    throw DataError("unsupported layout",
                    fmt::format("NPAY version {}; {} is read", version, known_version));
  }
  const auto count = cursor.number<std::uint32_t>();
  if (count > cursor.left() / least_entry_bytes) {
    throw DataError("truncated",
                    fmt::format("{} arrays in {} bytes of an NPAY message", count, cursor.left()));
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    Entry& entry = entries_.emplace_back();
    entry.name = cursor.text(cursor.number<std::uint32_t>());
    if (!is_one_line(entry.name)) damaged(fmt::format("an array of the name {:?}", entry.name));
    entry.type = cursor.text(cursor.number<std::uint32_t>());
    const auto axes = cursor.number<std::uint32_t>();
    if (axes > max_axes) damaged(fmt::format("{} has {} axes", entry.name, axes));
    for (std::uint32_t axis = 0; axis < axes; ++axis) {
      entry.extents.push_back(static_cast<std::int64_t>(cursor.number<std::uint64_t>()));
    }
    entry.compression = cursor.number<std::uint8_t>();
    entry.size = cursor.number<std::uint64_t>();
    entry.data = cursor.take(cursor.number<std::uint64_t>());
  }
  if (cursor.left() > 0) damaged(fmt::format("{} bytes behind the last array", cursor.left()));
  std::ranges::sort(entries_, {}, &Entry::name);
  const auto twice = std::ranges::adjacent_find(entries_, {}, &Entry::name);
  if (twice != entries_.end()) damaged(fmt::format("two arrays {}", twice->name));
}

const FieldNames& NpayReader::usual_names() const {
  static const FieldNames names{.image = {"/data/data"},
                                .timestamp = {"/data/timestamp"},
                                .wavelength = {"/data/wavelength"},
                                .photon_energy = {},
                                .original_shape = {"/data/original_shape"}};
  return names;
}

std::vector<std::string> NpayReader::names() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const Entry& entry : entries_) names.push_back(entry.name);
  return names;
}

std::unique_ptr<MessageField> NpayReader::field(const Entry& entry) const {
  if (entry.compression != 0) {
    throw DataError(fmt::format("unknown filter {}", entry.compression), "NPAY compression");
  }
  const NumpyType type = numpy_type(entry.type);
  Shape shape;
  for (const std::int64_t extent : entry.extents) {
    if (extent < 0) {
      throw DataError("wrong shape",
                      fmt::format("a negative extent in {}", fmt::join(entry.extents, "x")));
    }
    shape.push_back(static_cast<std::size_t>(extent));
  }
  const std::size_t size = numpy_bytes(type, shape);
  // What is there is read where it lies; this is about a claim.
  if (size > max_array_bytes_ && size > entry.data.size()) {
    throw DataError("implausible size", fmt::format("{} takes {} bytes, {} are allowed",
                                                    to_string(shape), size, max_array_bytes_));
  }
  if (size != entry.size) {
    throw DataError("wrong shape", fmt::format("{} takes {} bytes, there are {}", to_string(shape),
                                               size, entry.size));
  }
  if (entry.size != entry.data.size()) {
    throw DataError("damaged metadata",
                    fmt::format("{} bytes stored as {}", entry.size, entry.data.size()));
  }
  return std::make_unique<NumpyField>(
      NumpyField::Description{entry.name, type, std::move(shape), "stored", entry.data.size()},
      [data = entry.data] { return data; });
}

std::unique_ptr<MessageField> NpayReader::find(std::span<const std::string> names) const {
  for (const std::string& name : names) {
    const auto found = std::ranges::lower_bound(entries_, name, {}, &Entry::name);
    if (found == entries_.end() || found->name != name) continue;
    try {
      return field(*found);
    } catch (const DataError& error) {
      throw DataError(error.reason(), fmt::format("{}: {}", name, error.detail()));
    }
  }
  return nullptr;
}

}  // namespace pnflow
