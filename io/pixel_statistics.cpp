#include "io/pixel_statistics.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace pnflow {
namespace {

template <class T>
void add_pixels(std::span<const T> pixels, PixelStatistics& to) {
  T min = std::numeric_limits<T>::max();
  T max = std::numeric_limits<T>::lowest();
  // 16 bits add up exactly and fast in an integer, which no image overflows.
  std::conditional_t<std::is_integral_v<T> && sizeof(T) <= 2, std::int64_t, double> sum = 0;
  std::uint64_t finite = 0;
  for (const T pixel : pixels) {
    if constexpr (std::is_floating_point_v<T>) {
      if (!std::isfinite(pixel)) continue;
    }
    ++finite;
    sum += pixel;
    min = std::min(min, pixel);
    max = std::max(max, pixel);
  }
  to.non_finite += pixels.size() - finite;
  if (finite == 0) return;
  to.finite += finite;
  to.sum += static_cast<double>(sum);
  to.min = std::min(to.min, static_cast<double>(min));
  to.max = std::max(to.max, static_cast<double>(max));
}

}  // namespace

void PixelStatistics::add(std::span<const std::byte> pixels, DType dtype) {
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    add_pixels<T>({reinterpret_cast<const T*>(pixels.data()), pixels.size() / sizeof(T)}, *this);
  });
}

void PixelStatistics::add(const PixelStatistics& other) {
  min = std::min(min, other.min);
  max = std::max(max, other.max);
  sum += other.sum;
  finite += other.finite;
  non_finite += other.non_finite;
}

}  // namespace pnflow
