#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/byte_order.h"

namespace pnflow::fuzz {

// Takes settings off the front of what libFuzzer gives; what is left is data. Where the input is
// too short the settings are 0.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size)
      : rest_(std::as_bytes(std::span(data, size))) {}

  std::uint32_t number(std::size_t bytes) {
    const auto front = take(bytes);
    std::uint32_t value = 0;
    for (std::size_t i = front.size(); i-- > 0;) {
      value = value << 8U | std::to_integer<std::uint32_t>(front[i]);
    }
    return value;
  }
  std::span<const std::byte> take(std::size_t bytes) {
    const auto front = rest_.first(bytes < rest_.size() ? bytes : rest_.size());
    rest_ = rest_.subspan(front.size());
    return front;
  }
  std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace pnflow::fuzz
