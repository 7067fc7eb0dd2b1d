#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace pnflow {

// A message that is being put together from numbers (little endian), texts and bytes.
class BytesOut {
 public:
  template <std::unsigned_integral T>
  BytesOut& number(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes_.push_back(static_cast<std::byte>(value >> (8 * i) & 0xffU));
    }
    return *this;
  }
  BytesOut& bytes(std::span<const std::byte> more) {
    // Not insert(), of which GCC 12 believes that it overflows.
    const std::size_t before = bytes_.size();
    bytes_.resize(before + more.size());
    std::ranges::copy(more, bytes_.begin() + static_cast<std::ptrdiff_t>(before));
    return *this;
  }
  BytesOut& text(std::string_view text) { return bytes(std::as_bytes(std::span(text))); }

  void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
  std::size_t size() const { return bytes_.size(); }
  std::vector<std::byte> take() && { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace pnflow
