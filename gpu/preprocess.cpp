#include "gpu/preprocess.h"

#include <algorithm>
#include <cmath>

#include "gpu/usable_pixel.h"

namespace pnflow {

namespace {

// (x - mean) * scale.
struct Linear {
  double mean = 0;
  double scale = 1;
};

template <class T>
class Image {
 public:
  Image(const std::byte* raw, const std::uint8_t* bad, const MapGeometry& geometry)
      : pixels_(reinterpret_cast<const T*>(raw)), bad_(bad), geometry_(geometry) {}

  T operator[](std::size_t i) const { return pixels_[i]; }
  bool good(std::size_t i) const { return (!bad_ || bad_[i] == 0) && usable_pixel(pixels_[i]); }

  // The normalisation over the good pixels and `zeros` pixels of value 0 beside them. Two passes:
  // one pass over squares loses digits where the mean is large against the spread.
  Linear instance(std::size_t zeros, double eps) const {
    std::size_t good_pixels = 0;
    double sum = 0;
    for_each_good([&](double pixel) {
      ++good_pixels;
      sum += pixel;
    });
    if (good_pixels == 0) return {};
    const auto n = static_cast<double>(good_pixels + zeros);
    const double mean = sum / n;
    double squares = static_cast<double>(zeros) * mean * mean;
    for_each_good([&](double pixel) { squares += (pixel - mean) * (pixel - mean); });
    // A constant image with eps 0 has no scale; it becomes 0.
    const double deviation = std::sqrt(squares / n + eps);
    return {mean, deviation > 0 ? 1 / deviation : 0};
  }

 private:
  template <class Visit>
  void for_each_good(Visit visit) const {
    for (std::size_t y = 0; y < geometry_.height; ++y) {
      const std::size_t first = y * geometry_.stride;
      for (std::size_t i = first; i < first + geometry_.width; ++i) {
        if (good(i)) visit(static_cast<double>(pixels_[i]));
      }
    }
  }

  const T* pixels_;
  const std::uint8_t* bad_;
  const MapGeometry& geometry_;
};

template <class T>
void preprocess_as(const Image<T>& image, const MapGeometry& geometry, Normalize normalize,
                   double eps, float* out) {
  Linear linear;
  float padding = 0;
  if (normalize == Normalize::instance) {
    linear = image.instance(0, eps);
  } else if (normalize == Normalize::instance_padded) {
    linear = image.instance(geometry.map_pixels() - geometry.pixels(), eps);
    padding = static_cast<float>(-linear.mean * linear.scale);
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
  }
}

}  // namespace

void preprocess(const std::byte* raw, DType dtype, const std::uint8_t* bad,
                const MapGeometry& geometry, Normalize normalize, double eps, float* out) {
  dispatch(dtype, [&](auto element) {
    using T = decltype(element);
    preprocess_as(Image<T>(raw, bad, geometry), geometry, normalize, eps, out);
  });
}

}  // namespace pnflow
