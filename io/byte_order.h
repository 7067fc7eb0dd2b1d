#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pnflow {

// The first sizeof(T) bytes as a big-endian number. The span must hold them.
template <std::unsigned_integral T>
T big_endian(std::span<const std::byte> bytes) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value << 8U | std::to_integer<T>(bytes[i]));
  }
  return value;
}

// The first sizeof(T) bytes as a little-endian number. The span must hold them.
template <std::unsigned_integral T>
T little_endian(std::span<const std::byte> bytes) {
  T value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) {
    value = static_cast<T>(value << 8U | std::to_integer<T>(bytes[i]));
  }
  return value;
}

// Writes `value` into the first sizeof(T) bytes, big endian. The span must hold them.
template <std::unsigned_integral T>
void put_big_endian(T value, std::span<std::byte> bytes) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bytes[sizeof(T) - 1 - i] = static_cast<std::byte>(value >> (8 * i) & 0xffU);
  }
}

}  // namespace pnflow
