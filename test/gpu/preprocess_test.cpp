#include "gpu/preprocess.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace pnflow;

namespace {

constexpr double adu_per_photon = 9.5;
constexpr Normalize all_kinds[] = {Normalize::none, Normalize::instance, Normalize::instance_padded,
                                   Normalize::photons, Normalize::anscombe};

NormalizeSettings with_eps(double eps) { return {eps, adu_per_photon}; }

// The definition, pixel by pixel, in long double.
std::vector<float> by_definition(const std::vector<double>& image,
                                 const std::vector<std::uint8_t>& bad, const MapGeometry& g,
                                 Normalize normalize, double eps) {
  const auto good = [&](std::size_t i) { return bad[i] == 0 && std::isfinite(image[i]); };
  std::vector<long double> sample;
  for (std::size_t i = 0; i < image.size(); ++i) {
    if (good(i)) sample.push_back(image[i]);
  }
  if (normalize == Normalize::instance_padded) {
    sample.resize(sample.size() + g.map_pixels() - g.pixels(), 0.0L);
  }
  long double mean = 0;
  long double variance = 0;
  for (const auto x : sample) mean += x / static_cast<long double>(sample.size());
  for (const auto x : sample) {
    variance += (x - mean) * (x - mean) / static_cast<long double>(sample.size());
  }
  const auto value = [&](long double x) {
    if (normalize == Normalize::none) return static_cast<float>(x);
    const long double photons = x / static_cast<long double>(adu_per_photon);
    if (normalize == Normalize::photons) return static_cast<float>(photons);
    if (normalize == Normalize::anscombe) {
      return static_cast<float>(2 * std::sqrt(std::max(photons, 0.0L) + 0.375L) -
                                2 * std::sqrt(0.375L));
    }
    return static_cast<float>((x - mean) / std::sqrt(variance + static_cast<long double>(eps)));
  };
  std::vector<float> out(g.map_pixels(), normalize == Normalize::instance_padded ? value(0) : 0.0F);
  for (std::size_t i = 0; i < image.size(); ++i) {
    const std::size_t y = i / g.width;
    const std::size_t x = i % g.width;
    out[(g.top + y) * g.map_width + g.left + x] = good(i) ? value(image[i]) : 0.0F;
  }
  return out;
}

template <class T>
void compare(Normalize normalize, const std::optional<MapPadding>& pad, std::uint32_t seed) {
  std::mt19937 random(seed);
  const std::size_t height = 1 + random() % 20;
  const std::size_t width = 1 + random() % 30;
  const MapGeometry g = map_geometry(height, width, pad);
  std::vector<T> raw(g.pixels());
  std::vector<std::uint8_t> bad(raw.size());
  std::uniform_int_distribution<int> adu(std::is_signed_v<T> ? -50 : 0, 100);
  for (auto& x : raw) x = static_cast<T>(adu(random));
  for (auto& b : bad) b = random() % 10 == 0 ? 7 : 0;
  if constexpr (std::is_floating_point_v<T>) {
    raw[random() % raw.size()] = std::numeric_limits<T>::quiet_NaN();
    raw[random() % raw.size()] = std::numeric_limits<T>::infinity();
  }
  const std::vector<float> wanted =
      by_definition({raw.begin(), raw.end()}, bad, g, normalize, 1e-5);
  std::vector<float> out(g.map_pixels(), -7.0F);
  preprocess(reinterpret_cast<const std::byte*>(raw.data()), dtype_of<T>, bad.data(), g, normalize,
             with_eps(1e-5), out.data());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double tolerance = 1e-6 * std::max(1.0F, std::abs(wanted[i]));
    REQUIRE(std::abs(out[i] - wanted[i]) <= tolerance);
  }
}

std::vector<float> prepared(const std::vector<float>& raw, const MapGeometry& g,
                            Normalize normalize, double eps = 1e-5) {
  std::vector<float> out(g.map_pixels(), -7.0F);
  preprocess(reinterpret_cast<const std::byte*>(raw.data()), DType::f32, nullptr, g, normalize,
             with_eps(eps), out.data());
  return out;
}

}  // namespace

TEST_CASE("every dtype, padding and normalisation equals the definition") {
  std::uint32_t seed = 0;
  for (const Normalize normalize : all_kinds) {
    for (const std::optional<MapPadding>& pad :
         {std::optional<MapPadding>{}, std::optional<MapPadding>{{24, 37, PadStyle::center}},
          std::optional<MapPadding>{{20, 33, PadStyle::bottom_right}}}) {
      for (int i = 0; i < 5; ++i) {
        compare<std::uint16_t>(normalize, pad, ++seed);
        compare<std::int16_t>(normalize, pad, ++seed);
        compare<std::int32_t>(normalize, pad, ++seed);
        compare<std::uint8_t>(normalize, pad, ++seed);
        compare<float>(normalize, pad, ++seed);
        compare<double>(normalize, pad, ++seed);
      }
    }
  }
}

TEST_CASE("a constant image becomes 0, with eps 0 as well") {
  const MapGeometry g = map_geometry(4, 4, {});
  for (const double eps : {1e-5, 0.0}) {
    for (const float x : prepared(std::vector<float>(16, 3.0F), g, Normalize::instance, eps)) {
      CHECK(x == 0.0F);
    }
  }
}

TEST_CASE("an image without a good pixel becomes 0") {
  const MapGeometry g = map_geometry(2, 2, MapPadding{4, 4, PadStyle::center});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Normalize normalize : all_kinds) {
    for (const float x : prepared({nan, nan, nan, nan}, g, normalize)) CHECK(x == 0.0F);
  }
}

TEST_CASE("a large pedestal costs no digits") {
  const MapGeometry g = map_geometry(1, 4, {});
  const auto out = prepared({1e6F, 1e6F + 1, 1e6F, 1e6F + 1}, g, Normalize::instance, 0);
  CHECK(out == std::vector<float>{-1, 1, -1, 1});
}

TEST_CASE("a double that no float can hold counts as not finite") {
  const std::vector<double> raw{1e300, 1, 3, -1e300};
  const MapGeometry g = map_geometry(2, 2, {});
  std::vector<float> out(4);
  preprocess(reinterpret_cast<const std::byte*>(raw.data()), DType::f64, nullptr, g,
             Normalize::instance, with_eps(0), out.data());
  CHECK(out == std::vector<float>{0, -1, 1, 0});
}

TEST_CASE("a crop is prepared as the image that it leaves") {
  std::mt19937 random(7);
  std::vector<std::int16_t> received(30 * 41);
  std::vector<std::uint8_t> bad(received.size());
  for (auto& x : received) x = static_cast<std::int16_t>(random() % 200);
  for (auto& b : bad) b = random() % 9 == 0 ? 1 : 0;
  for (const Normalize normalize : all_kinds) {
    const MapPadding pad{16, 32, PadStyle::center};
    const MapGeometry cropped = map_geometry(30, 41, pad, MapCrop{11, 17, 5, 20});
    const MapGeometry whole = map_geometry(11, 17, pad);
    const std::size_t first = 5 * 41 + 20;
    const auto* pixels = reinterpret_cast<const std::byte*>(received.data() + first);
    std::vector<std::int16_t> image(whole.pixels());
    std::vector<std::uint8_t> mask(whole.pixels());
    copy_image(pixels, 2, cropped, reinterpret_cast<std::byte*>(image.data()));
    copy_image(reinterpret_cast<const std::byte*>(bad.data() + first), 1, cropped,
               reinterpret_cast<std::byte*>(mask.data()));
    std::vector<float> got(cropped.map_pixels());
    std::vector<float> wanted(whole.map_pixels());
    preprocess(pixels, DType::i16, bad.data() + first, cropped, normalize, with_eps(1e-5),
               got.data());
    preprocess(reinterpret_cast<const std::byte*>(image.data()), DType::i16, mask.data(), whole,
               normalize, with_eps(1e-5), wanted.data());
    CHECK(got == wanted);
  }
}
