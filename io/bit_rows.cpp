#include "io/bit_rows.h"

#include <array>
#include <cstdint>

#include "io/byte_vectors.h"

namespace pnflow::codecs {
namespace {

constexpr std::size_t bits = 8;

// Swaps the bits above the middle of each byte (or of each part of it, as `low` marks) of `a` with
// those below it of `b`.
template <unsigned shift, std::uint64_t low, class Vector>
PNFLOW_INLINE void swap_halves(Vector& a, Vector& b) {
  const Vector moved = ((a >> shift) ^ b) & (low * 0x0101010101010101U);
  b ^= moved;
  a ^= moved << shift;
}

// Bit j of byte i of vector k becomes bit k of byte i of vector j.
template <class Vector>
PNFLOW_INLINE void transpose_bits(Vector (&v)[bits]) {
  for (std::size_t i = 0; i < 4; ++i) swap_halves<4, 0x0f>(v[i], v[i + 4]);
  for (const std::size_t i : {0, 1, 4, 5}) swap_halves<2, 0x33>(v[i], v[i + 2]);
  for (const std::size_t i : {0, 2, 4, 6}) swap_halves<1, 0x55>(v[i], v[i + 1]);
}

constexpr std::size_t lane = sizeof(Lane);
constexpr std::size_t plane_step = bits * lane;  // bytes of a plane that a lane of each row becomes

// As many bytes of each row as make whole vectors, from byte `at` on; returns where it ended.
template <class Vector>
PNFLOW_INLINE std::size_t rows_to_bytes_by(const std::byte* rows, std::size_t row_bytes,
                                           std::size_t at, std::byte* plane) {
  for (; at + sizeof(Vector) <= row_bytes; at += sizeof(Vector)) {
    Vector v[bits];
    for (std::size_t k = 0; k < bits; ++k) load_lanes(rows + k * row_bytes + at, lane, v[k]);
    transpose_bits(v);
    deal<3>(v);
    for (std::size_t i = 0; i < bits; ++i) {
      store_lanes(v[i], plane + bits * at + i * lane, plane_step);
    }
  }
  return at;
}

template <class Vector>
PNFLOW_INLINE std::size_t bytes_to_rows_by(const std::byte* plane, std::size_t row_bytes,
                                           std::size_t at, std::byte* rows) {
  for (; at + sizeof(Vector) <= row_bytes; at += sizeof(Vector)) {
    Vector v[bits];
    for (std::size_t i = 0; i < bits; ++i) {
      load_lanes(plane + bits * at + i * lane, plane_step, v[i]);
    }
    deal<4>(v);
    transpose_bits(v);
    for (std::size_t k = 0; k < bits; ++k) store_lanes(v[k], rows + k * row_bytes + at, lane);
  }
  return at;
}

#ifdef PNFLOW_AVX2

PNFLOW_AVX2 std::size_t rows_to_bytes_avx2(const std::byte* rows, std::size_t row_bytes,
                                           std::size_t at, std::byte* plane) {
  return rows_to_bytes_by<TwoLanes>(rows, row_bytes, at, plane);
}

PNFLOW_AVX2 std::size_t bytes_to_rows_avx2(const std::byte* plane, std::size_t row_bytes,
                                           std::size_t at, std::byte* rows) {
  return bytes_to_rows_by<TwoLanes>(plane, row_bytes, at, rows);
}

#endif

// The same for one byte of each row: eight elements.
std::array<std::byte, bits> transposed(const std::array<std::byte, bits>& in) {
  std::array<std::byte, bits> out{};
  for (std::size_t k = 0; k < bits; ++k) {
    for (std::size_t j = 0; j < bits; ++j) {
      out[j] |= static_cast<std::byte>((std::to_integer<unsigned>(in[k]) >> j & 1U) << k);
    }
  }
  return out;
}

}  // namespace

void rows_to_bytes(const std::byte* rows, std::size_t row_bytes, std::byte* plane) {
  std::size_t at = 0;
#ifdef PNFLOW_AVX2
  static const bool avx2 = has_avx2();
  if (avx2) at = rows_to_bytes_avx2(rows, row_bytes, at, plane);
#endif
  at = rows_to_bytes_by<Lane>(rows, row_bytes, at, plane);
  for (; at < row_bytes; ++at) {
    std::array<std::byte, bits> group{};
    for (std::size_t k = 0; k < bits; ++k) group[k] = rows[k * row_bytes + at];
    group = transposed(group);
    std::memcpy(plane + bits * at, group.data(), bits);
  }
}

void bytes_to_rows(const std::byte* plane, std::size_t row_bytes, std::byte* rows) {
  std::size_t at = 0;
#ifdef PNFLOW_AVX2
  static const bool avx2 = has_avx2();
  if (avx2) at = bytes_to_rows_avx2(plane, row_bytes, at, rows);
#endif
  at = bytes_to_rows_by<Lane>(plane, row_bytes, at, rows);
  for (; at < row_bytes; ++at) {
    std::array<std::byte, bits> group{};
    std::memcpy(group.data(), plane + bits * at, bits);
    group = transposed(group);
    for (std::size_t k = 0; k < bits; ++k) rows[k * row_bytes + at] = group[k];
  }
}

}  // namespace pnflow::codecs
