#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace pnflow {

// The entries of a CBOR map (RFC 8949) that are numbers, texts or byte strings; maps and lists
// inside of it are passed over. Nothing is copied: texts and byte strings lie in the map's own
// bytes, which must outlive this object. Immutable, so safe to use from several threads.
class CborMap {
 public:
  using Value = std::variant<std::int64_t, std::uint64_t, double, std::string_view,
                             std::span<const std::byte>>;
  struct Entry {
    std::string_view key;
    Value value;
  };

  // `bytes` is one map and nothing behind it. True and false become 1 and 0.
  // Throws DataError("truncated"), DataError("damaged metadata"). Reads each byte once at most, and
  // allocates in proportion to the entries that are there.
  explicit CborMap(std::span<const std::byte> bytes);

  // In the order of the bytes.
  const std::vector<Entry>& entries() const { return entries_; }
  // The value of that key, or nullptr.
  const Value* find(std::string_view key) const;
  // The text of that key; empty when there is none or it is no text.
  std::string_view text(std::string_view key) const;

 private:
  std::vector<Entry> entries_;
};

}  // namespace pnflow
