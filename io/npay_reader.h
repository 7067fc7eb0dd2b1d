#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/message_reader.h"

namespace pnflow {

// A message of LCLStreamer's FastBinarySerializer: named NumPy arrays one behind the other, little
// endian, nothing aligned, without checksums.
//
//     "YAPN", u32 version 1, u32 number of arrays; for each array:
//     u32 length and name, u32 length and NumPy's type string, u32 number of axes, i64 extents,
//     u8 compression (0 none, 1 LZ4, 2 Zstd), u64 size, u64 stored size, data
//
// No message with compression has ever been written, so it is refused ("unknown filter N").
class NpayReader final : public MessageReader {
 public:
  // `bytes` must outlive it and its fields. Throws DataError: "truncated" when an array is not all
  // there; "damaged metadata" for what lies behind the last one, for names that are not a line of
  // UTF-8 or stand there twice, and for more than 64 axes; "unsupported layout" for another
  // version.
  NpayReader(std::span<const std::byte> bytes, const OpenOptions& options);

  std::string_view format() const override { return "NPAY"; }
  // Those of LCLStreamer's configurations for HDF5, which this serializer shares.
  const FieldNames& usual_names() const override;
  std::vector<std::string> names() const override;
  // Throws DataError: "unknown filter N", "wrong dtype", "wrong shape" for negative extents and for
  // data of another size than the shape's, "implausible size", "damaged metadata".
  std::unique_ptr<MessageField> find(std::span<const std::string> names) const override;

 private:
  // An array as the message describes it, which need not make sense.
  struct Entry {
    std::string name;
    std::string_view type;
    std::vector<std::int64_t> extents;
    unsigned compression = 0;
    std::uint64_t size = 0;
    std::span<const std::byte> data;
  };
  std::unique_ptr<MessageField> field(const Entry& entry) const;

  std::vector<Entry> entries_;  // sorted by name
  std::size_t max_array_bytes_;
};

}  // namespace pnflow
