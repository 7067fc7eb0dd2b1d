#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "graph/error.h"
#include "io/byte_order.h"

namespace pnflow {

// Takes little-endian numbers and pieces off the front of some bytes, one after the other. Nothing
// is copied; for one thread.
class ByteCursor {
 public:
  // `reason` is that of the DataError when more is asked for than there is.
  ByteCursor(std::span<const std::byte> bytes, std::string reason)
      : bytes_(bytes), reason_(std::move(reason)) {}

  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(std::uint64_t size) {
    if (size > left()) {
      throw DataError(
          reason_, fmt::format("{} bytes are needed at {} of {}", size, position_, bytes_.size()));
    }
    const auto piece = bytes_.subspan(position_, size);
    position_ += size;
    return piece;
  }
  template <std::unsigned_integral T>
  T number() {
    return little_endian<T>(take(sizeof(T)));
  }
  std::string_view text(std::uint64_t size) {
    const auto piece = take(size);
    return {reinterpret_cast<const char*>(piece.data()), piece.size()};
  }

 private:
  std::span<const std::byte> bytes_;
  std::string reason_;
  std::size_t position_ = 0;
};

}  // namespace pnflow
