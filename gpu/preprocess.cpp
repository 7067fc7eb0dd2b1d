#include "gpu/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <type_traits>

#include "gpu/anscombe.h"
#include "gpu/usable_pixel.h"

namespace pnflow {

namespace {

// (x - mean) * scale.
struct Linear {
  double mean = 0;
  double scale = 1;
};

// Sums that run side by side, so that no addition waits for the one before. Enough of them that
// compilers make vectors of the loop over them instead of unrolling it.
constexpr std::size_t lanes = 32;

template <class T, bool masked>
class Image {
 public:
  Image(const std::byte* raw, const std::uint8_t* bad, const MapGeometry& geometry)
      : pixels_(reinterpret_cast<const T*>(raw)), bad_(bad), geometry_(geometry) {}

  T operator[](std::size_t i) const { return pixels_[i]; }
  bool good(std::size_t i) const {
    if constexpr (masked) {
      return (bad_[i] == 0) & usable_pixel(pixels_[i]);
    } else {
      return usable_pixel(pixels_[i]);
    }
  }

  // The normalisation over the good pixels and `zeros` pixels of value 0 beside them. Two passes:
  // one pass over squares loses digits where the mean is large against the spread.
  Linear instance(std::size_t zeros, double eps) const {
    const std::size_t good_pixels = count_good();
    if (good_pixels == 0) return {};
    const auto n = static_cast<double>(good_pixels + zeros);
    const double mean = sum_over_good([](double pixel) { return pixel; }) / n;
    const double squares =
        static_cast<double>(zeros) * mean * mean +
        sum_over_good([mean](double pixel) { return (pixel - mean) * (pixel - mean); });
    // A constant image with eps 0 has no scale; it becomes 0.
    const double deviation = std::sqrt(squares / n + eps);
    return {mean, deviation > 0 ? 1 / deviation : 0};
  }

 private:
  std::size_t count_good() const {
    if constexpr (!masked && std::is_integral_v<T>) return geometry_.pixels();
    std::size_t count = 0;
    for (std::size_t y = 0; y < geometry_.height; ++y) {
      const std::size_t first = y * geometry_.stride;
      for (std::size_t i = first; i < first + geometry_.width; ++i) count += good(i) ? 1 : 0;
    }
    return count;
  }

  template <class Term>
  double sum_over_good(Term term) const {
    std::array<double, lanes> sums{};
    const auto add = [&](std::size_t lane, std::size_t i) {
      const double value = term(static_cast<double>(pixels_[i]));
      sums[lane] += good(i) ? value : 0.0;
    };
    for (std::size_t y = 0; y < geometry_.height; ++y) {
      std::size_t i = y * geometry_.stride;
      const std::size_t end = i + geometry_.width;
      for (; i + lanes <= end; i += lanes) {
        for (std::size_t lane = 0; lane < lanes; ++lane) add(lane, i + lane);
      }
      for (; i < end; ++i) add(0, i);
    }
    return std::accumulate(sums.begin(), sums.end(), 0.0);
  }

  const T* pixels_;
  const std::uint8_t* bad_;
  const MapGeometry& geometry_;
};

template <class T, bool masked>
void preprocess_as(const Image<T, masked>& image, const MapGeometry& geometry, Normalize normalize,
                   const NormalizeSettings& settings, float* out) {
  Linear linear;
  float padding = 0;
  if (normalize == Normalize::instance) {
    linear = image.instance(0, settings.eps);
  } else if (normalize == Normalize::instance_padded) {
    linear = image.instance(geometry.map_pixels() - geometry.pixels(), settings.eps);
    padding = static_cast<float>(-linear.mean * linear.scale);
  } else if (counts_photons(normalize)) {
    linear.scale = 1 / settings.adu_per_photon;
  }
  if (geometry.map_pixels() != geometry.pixels()) {
    std::fill_n(out, geometry.map_pixels(), padding);
  }
  for (std::size_t y = 0; y < geometry.height; ++y) {
    float* row = out + (geometry.top + y) * geometry.map_width + geometry.left;
    const std::size_t first = y * geometry.stride;
    for (std::size_t x = 0; x < geometry.width; ++x) {
      const std::size_t i = first + x;
      const double value = (static_cast<double>(image[i]) - linear.mean) * linear.scale;
      row[x] = image.good(i) ? static_cast<float>(value) : 0.0F;
    }
    if (normalize == Normalize::anscombe) {
      std::transform(row, row + geometry.width, row, anscombe);
    }
  }
}

}  // namespace

void preprocess(const std::byte* raw, DType dtype, const std::uint8_t* bad,
                const MapGeometry& geometry, Normalize normalize, const NormalizeSettings& settings,
                float* out) {
  dispatch(dtype, [&](auto element) {
    using T = decltype(element);
    if (bad != nullptr) {
      preprocess_as(Image<T, true>(raw, bad, geometry), geometry, normalize, settings, out);
    } else {
      preprocess_as(Image<T, false>(raw, bad, geometry), geometry, normalize, settings, out);
    }
  });
}

}  // namespace pnflow
