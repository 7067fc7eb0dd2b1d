#include "io/npz_message_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libdeflate.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>

#include "io/bytes_out.h"

namespace pnflow {
namespace {

// Zip: PKWARE's APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.16 and 4.5.3. What is free to choose is
// as Python's zipfile has it.
constexpr std::uint32_t local_header = 0x04034b50;
constexpr std::uint32_t central_header = 0x02014b50;
constexpr std::uint32_t end_record = 0x06054b50;
constexpr std::uint16_t zip64_version = 45;
constexpr std::uint16_t made_on_unix = 3 << 8 | zip64_version;
constexpr std::uint16_t first_of_1980 = 1 << 5 | 1;  // the date in DOS's form
constexpr std::uint16_t zip64_extra = 1;
constexpr std::uint32_t in_zip64_extra = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t owner_only = 0600U << 16U;
constexpr std::uint16_t method_stored = 0, method_deflate = 8;

constexpr int deflate_level = 6;  // np.savez_compressed's

struct Member {
  std::string name;
  std::uint32_t crc = 0;
  std::uint64_t raw_bytes = 0, stored_bytes = 0, offset = 0;
};

// NumPy's format 1.0: the header is as long as makes the data begin at a multiple of 64. Room for
// the first extent to grow is left as NumPy leaves it.
std::vector<std::byte> npy_of(const NamedArray& array) {
  constexpr std::size_t alignment = 64;
  constexpr std::size_t prefix = 10, growing_digits = 21;
  const auto digits = fmt::formatted_size("{}", array.shape.front());
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                   numpy_descr(array.dtype), fmt::join(array.shape, ", "),
                                   array.shape.size() == 1 ? "," : "");
  header.append(growing_digits - std::min(digits, growing_digits), ' ');
  header.append(alignment - 1 - (prefix + header.size()) % alignment, ' ');
  header += '\n';
  BytesOut out;
  out.reserve(prefix + header.size() + array.data.size());
  out.text("\x93NUMPY").number<std::uint16_t>(1);
  out.number(static_cast<std::uint16_t>(header.size())).text(header).bytes(array.data);
  return std::move(out).take();
}

// A raw deflate stream (RFC 1951).
std::vector<std::byte> deflated(std::span<const std::byte> raw) {
  struct Free {
    void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
  };
  const std::unique_ptr<libdeflate_compressor, Free> compressor(
      libdeflate_alloc_compressor(deflate_level));
  if (!compressor) throw std::bad_alloc();
  std::vector<std::byte> stored(libdeflate_deflate_compress_bound(compressor.get(), raw.size()));
  stored.resize(libdeflate_deflate_compress(compressor.get(), raw.data(), raw.size(), stored.data(),
                                            stored.size()));
  return stored;
}

Member add_member(BytesOut& zip, const NamedArray& array, std::uint16_t method) {
  const std::vector<std::byte> npy = npy_of(array);
  const std::vector<std::byte> compressed =
      method == method_deflate ? deflated(npy) : std::vector<std::byte>{};
  const auto& stored = method == method_deflate ? compressed : npy;
  Member member{.name = array.name + ".npy",
                .crc = libdeflate_crc32(0, npy.data(), npy.size()),
                .raw_bytes = npy.size(),
                .stored_bytes = stored.size(),
                .offset = zip.size()};
  zip.number(local_header).number(zip64_version).number<std::uint16_t>(0).number(method);
  zip.number<std::uint16_t>(0).number(first_of_1980).number(member.crc);
  zip.number(in_zip64_extra).number(in_zip64_extra);
  zip.number(static_cast<std::uint16_t>(member.name.size())).number<std::uint16_t>(20);
  zip.text(member.name);
  zip.number(zip64_extra).number<std::uint16_t>(16);
  zip.number(member.raw_bytes).number(member.stored_bytes);
  zip.bytes(stored);
  return member;
}

void add_to_directory(BytesOut& zip, const Member& member, std::uint16_t method) {
  zip.number(central_header).number(made_on_unix).number(zip64_version);
  zip.number<std::uint16_t>(0).number(method).number<std::uint16_t>(0).number(first_of_1980);
  zip.number(member.crc).number(static_cast<std::uint32_t>(member.stored_bytes));
  zip.number(static_cast<std::uint32_t>(member.raw_bytes));
  zip.number(static_cast<std::uint16_t>(member.name.size()));
  // No extra field, no comment, disk 0, not text.
  for (int i = 0; i < 4; ++i) zip.number<std::uint16_t>(0);
  zip.number(owner_only).number(static_cast<std::uint32_t>(member.offset)).text(member.name);
}

void check_sizes(std::span<const NamedArray> arrays) {
  constexpr std::size_t headers = 4096;  // more than those of an array take beside its name
  std::size_t total = 0;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    check_named_array(arrays[i]);
    total += arrays[i].data.size() + arrays[i].name.size() + headers;
    const auto others = arrays.first(i);
    const bool taken = std::ranges::find(others, arrays[i].name, &NamedArray::name) != others.end();
    if (taken || arrays[i].name.size() > std::numeric_limits<std::uint16_t>::max() - 4) {
      throw std::invalid_argument(
          fmt::format("{}: {}", arrays[i].name, taken ? "is there twice" : "is too long a name"));
    }
  }
  if (total >= in_zip64_extra || arrays.size() > std::numeric_limits<std::uint16_t>::max()) {
    throw std::invalid_argument("npz: arrays of 4 GiB or more in one message");
  }
}

}  // namespace

std::vector<std::byte> write_npz_message(std::span<const NamedArray> arrays,
                                         NpzCompression compression) {
  check_sizes(arrays);
  const auto method = compression == NpzCompression::deflate ? method_deflate : method_stored;
  BytesOut zip;
  std::vector<Member> members;
  for (const NamedArray& array : arrays) members.push_back(add_member(zip, array, method));
  const auto directory = static_cast<std::uint32_t>(zip.size());
  for (const Member& member : members) add_to_directory(zip, member, method);
  const auto directory_bytes = static_cast<std::uint32_t>(zip.size()) - directory;
  const auto count = static_cast<std::uint16_t>(members.size());
  zip.number(end_record).number<std::uint32_t>(0).number(count).number(count);
  zip.number(directory_bytes).number(directory).number<std::uint16_t>(0);
  return std::move(zip).take();
}

}  // namespace pnflow
