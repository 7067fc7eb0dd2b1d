#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>

#include "graph/error.h"
#include "io/npy_header.h"
#include "io/zip_directory.h"

namespace pnflow {

// One .npy file inside a NumPy archive. Its header is known from the beginning; the data are
// decompressed and checked when they are first asked for, once. Safe to use from several threads.
class NpzMember {
 public:
  // Nothing of more than `max_bytes` is ever allocated, and nothing at all before data().
  // Throws DataError: "unsupported layout" when it is encrypted, "unknown filter N" for compression
  // method N, "implausible size" when decompressed it is larger than `max_bytes`, or than its
  // compressed data could hold, "wrong shape" when its size is not that of the array, and what
  // parse_npy_header() throws.
  NpzMember(const ZipMember& member, std::size_t max_bytes);

  const NpyHeader& header() const { return header_; }
  // "stored", "deflate"
  std::string_view storage() const { return is_stored() ? "stored" : "deflate"; }

  // The array's bytes: in the message where they are stored, else decompressed, as long as this
  // lives. Throws DataError: "wrong checksum", "damaged chunk".
  std::span<const std::byte> data() const;

 private:
  bool is_stored() const { return member_.method == ZipMember::stored_method; }
  NpyHeader read_header() const;
  std::span<const std::byte> checked_content() const;

  ZipMember member_;
  NpyHeader header_;
  mutable std::once_flag once_;  // guards the three behind it
  mutable std::shared_ptr<std::byte> inflated_;
  mutable std::span<const std::byte> content_;
  mutable std::optional<DataError> fault_;
};

}  // namespace pnflow
