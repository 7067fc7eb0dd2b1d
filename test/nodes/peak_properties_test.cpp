#include "nodes/peak_properties.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "segmap_helpers.h"

namespace pnflow {
namespace {

using test::TestMap;

// A map, the raw pixels under it, and perhaps a mask; the panel is the map unless a test says less.
template <class T>
struct Scene {
  TestMap map;
  std::vector<T> image;
  std::vector<std::uint8_t> mask;
  std::size_t height, width, top = 0, left = 0;
  ConnectedComponents components;

  Scene(TestMap m, T value)
      : map(std::move(m)),
        image(map.pixels.size(), value),
        mask(map.pixels.size(), 0),
        height(map.height),
        width(map.width) {}
  T& at(std::size_t y, std::size_t x) { return image[y * width + x]; }
  std::uint8_t& bad(std::size_t y, std::size_t x) { return mask[y * width + x]; }
  void crop(std::size_t h, std::size_t w, std::size_t first_row, std::size_t first_column) {
    height = h;
    width = w;
    top = first_row;
    left = first_column;
  }
  PeakMeter meter(int radius) {
    components.label_bytes(map.pixels, map.height, map.width, Connectivity::eight);
    return {{.dtype = dtype_of<T>,
             .pixels = reinterpret_cast<const std::byte*>(image.data()),
             .mask = mask.data(),
             .height = height,
             .width = width,
             .stride = width,
             .top = top,
             .left = left},
            components,
            radius};
  }
};

TestMap one_pixel(std::size_t size, std::size_t y, std::size_t x) {
  TestMap map(size, size);
  map.at(y, x) = 1;
  return map;
}

TEST_CASE("background is the mean of the ring, sigma its deviation, total what stands above") {
  Scene<float> scene(one_pixel(7, 3, 3), 10.0F);
  scene.at(3, 3) = 50.0F;
  scene.at(2, 2) = 14.0F;    // in the ring of radius 1, the other seven are 10
  scene.at(1, 1) = 1000.0F;  // outside of it
  const PeakProperties peak = scene.meter(1).measure(0);
  CHECK(peak.background == doctest::Approx(10.5));
  CHECK(peak.sigma == doctest::Approx(std::sqrt((3.5 * 3.5 + 7 * 0.25) / 8)));
  CHECK(peak.total == doctest::Approx(39.5));
  CHECK(peak.maximum == 50.0);
  CHECK(peak.snr == doctest::Approx(39.5 / peak.sigma));
}

TEST_CASE("the snr of several pixels is the total over sigma times the root of their number") {
  TestMap map(20, 20);
  for (std::size_t x = 8; x < 12; ++x) map.at(10, x) = 1;
  Scene<std::uint16_t> scene(map, 100);
  for (std::size_t i = 0; i < scene.image.size(); i += 2) scene.image[i] = 104;
  for (std::size_t x = 8; x < 12; ++x) scene.at(10, x) = 202;
  const PeakProperties peak = scene.meter(2).measure(0);
  CHECK(peak.background == doctest::Approx(102));
  CHECK(peak.sigma == doctest::Approx(2));
  CHECK(peak.total == doctest::Approx(400));
  CHECK(peak.snr == doctest::Approx(100));
}

TEST_CASE("pixels of other components, masked and non-finite ones are left out") {
  TestMap map = one_pixel(9, 4, 4);
  map.at(2, 4) = 1;  // a second component in the ring
  map.at(4, 5) = 1;  // two more pixels of the peak: one masked, one not a number
  map.at(4, 6) = 1;
  Scene<double> scene(map, 5.0);
  scene.at(2, 4) = 1e6;
  scene.at(4, 4) = 25.0;
  scene.at(4, 5) = 1e6;
  scene.bad(4, 5) = 1;
  scene.at(4, 6) = std::numeric_limits<double>::quiet_NaN();
  scene.at(3, 3) = std::numeric_limits<double>::infinity();
  scene.at(5, 3) = -1e6;
  scene.bad(5, 3) = 1;
  scene.at(6, 4) = 7.0;  // gives the ring a spread
  const PeakProperties peak = scene.meter(2).measure(1);
  // Rows 2-6 and columns 2-8 without the box of 3 pixels, the other peak and two bad pixels.
  const double background = 5.0 + 2.0 / 29;
  CHECK(peak.background == doctest::Approx(background));
  CHECK(peak.total == doctest::Approx(25.0 - background));
  CHECK(peak.maximum == 25.0);
  CHECK(peak.snr == doctest::Approx(peak.total / peak.sigma));
}

TEST_CASE("a ring without a usable pixel is replaced by the rest of the panel") {
  Scene<float> scene(one_pixel(5, 2, 2), 4.0F);
  for (std::size_t y = 1; y < 4; ++y) {
    for (std::size_t x = 1; x < 4; ++x) scene.bad(y, x) = y != 2 || x != 2;
  }
  scene.at(0, 0) = 20.0F;
  scene.at(2, 2) = 9.0F;
  const PeakProperties peak = scene.meter(1).measure(0);
  CHECK(peak.background == doctest::Approx(5.0));
  CHECK(peak.sigma == doctest::Approx(std::sqrt((15.0 * 15 + 15) / 16)));
  CHECK(peak.total == doctest::Approx(4.0));
}

TEST_CASE("a component that fills the panel has no background, and an SNR of 0") {
  Scene<std::int32_t> scene(TestMap(3, 4, 1), -2);
  const PeakProperties peak = scene.meter(5).measure(0);
  CHECK(peak.background == 0);
  CHECK(peak.sigma == 0);
  CHECK(peak.total == -24);
  CHECK(peak.maximum == -2);
  CHECK(peak.snr == 0);
  CHECK(peak.weight == 0);
}

TEST_CASE("a flat background gives an SNR of 0, a component of bad pixels nothing at all") {
  Scene<float> scene(one_pixel(9, 4, 4), 3.0F);
  scene.at(4, 4) = 8.0F;
  PeakProperties peak = scene.meter(2).measure(0);
  CHECK(peak.total == 5);
  CHECK(peak.snr == 0);
  scene.bad(4, 4) = 1;
  peak = scene.meter(2).measure(0);
  CHECK(peak.total == 0);
  CHECK(peak.maximum == 0);
  CHECK(peak.background == 3);
  CHECK(peak.snr == 0);
}

TEST_CASE("pixels of the padding contribute nothing, and coordinates are the panel's") {
  TestMap map(12, 10);
  for (std::size_t y = 1; y < 5; ++y) map.at(y, 4) = 1;  // rows 3 and 4 are in the panel
  Scene<float> scene(map, 0.0F);
  scene.image.assign(6 * 5, 1.0F);
  scene.crop(6, 5, 3, 2);
  scene.at(0, 2) = 11.0F;
  scene.at(1, 2) = 21.0F;
  scene.at(1, 0) = 3.0F;
  const PeakProperties peak = scene.meter(2).measure(0);
  // Rows 0-3 and columns 0-4 of the panel, without the two pixels in column 2.
  CHECK(peak.background == doctest::Approx(1 + 2.0 / 18));
  CHECK(peak.total == doctest::Approx(32 - 2 * peak.background));
  CHECK(peak.maximum == 21);
  CHECK(peak.weighted_x / peak.weight == doctest::Approx(2));
  CHECK(peak.weighted_y / peak.weight ==
        doctest::Approx((21 - peak.background) / (32 - 2 * peak.background)));
}

TEST_CASE("a spread that is small against its pedestal is not lost") {
  Scene<double> scene(one_pixel(31, 15, 15), 1e9);
  for (std::size_t i = 0; i < scene.image.size(); i += 2) scene.image[i] += 0.5;
  const PeakProperties peak = scene.meter(10).measure(0);
  CHECK(peak.sigma == doctest::Approx(0.25).epsilon(1e-3));
}

TEST_CASE("every dtype of an image gives the same") {
  const auto check = []<class T>(T) {
    Scene<T> scene(one_pixel(9, 4, 4), T{2});
    scene.at(4, 4) = T{100};
    scene.at(3, 4) = T{3};
    const PeakProperties peak = scene.meter(3).measure(0);
    CHECK(peak.background == doctest::Approx(2 + 1.0 / 48));
    CHECK(peak.total == doctest::Approx(98 - 1.0 / 48));
    CHECK(peak.maximum == 100);
  };
  for (const DType dtype : {DType::u8, DType::i8, DType::u16, DType::i16, DType::u32, DType::i32,
                            DType::u64, DType::i64, DType::f32, DType::f64}) {
    dispatch(dtype, check);
  }
}

// The definition in peak_properties.h once more, pixel by pixel.
PeakProperties measure_slowly(const Scene<float>& s, const test::PixelList& pixels,
                              const TestMap& map, int radius) {
  const auto usable = [&](int y, int x) {
    const auto i = static_cast<std::size_t>(y) * s.width + static_cast<std::size_t>(x);
    return s.mask[i] == 0 && std::isfinite(s.image[i]);
  };
  const auto value = [&](int y, int x) {
    return double{s.image[static_cast<std::size_t>(y) * s.width + static_cast<std::size_t>(x)]};
  };
  auto [y0, x0] = pixels[0];
  int y1 = y0;
  int x1 = x0;
  for (const auto& [y, x] : pixels) {
    y0 = std::min(y0, y);
    y1 = std::max(y1, y);
    x0 = std::min(x0, x);
    x1 = std::max(x1, x);
  }
  std::vector<double> ring;
  std::vector<double> panel;
  for (int y = 0; y < static_cast<int>(s.height); ++y) {
    for (int x = 0; x < static_cast<int>(s.width); ++x) {
      if (map.at(static_cast<std::size_t>(y), static_cast<std::size_t>(x)) != 0) continue;
      if (!usable(y, x)) continue;
      panel.push_back(value(y, x));
      const bool in_box = y >= y0 && y <= y1 && x >= x0 && x <= x1;
      const bool near =
          y >= y0 - radius && y <= y1 + radius && x >= x0 - radius && x <= x1 + radius;
      if (near && !in_box) ring.push_back(value(y, x));
    }
  }
  if (ring.empty()) ring = panel;
  PeakProperties out;
  for (const double v : ring) out.background += v / static_cast<double>(ring.size());
  for (const double v : ring) {
    out.sigma += (v - out.background) * (v - out.background) / static_cast<double>(ring.size());
  }
  out.sigma = std::sqrt(out.sigma);
  std::vector<double> mine;
  for (const auto& [y, x] : pixels) {
    if (usable(y, x)) mine.push_back(value(y, x));
  }
  for (const double v : mine) out.total += v - out.background;
  out.maximum = mine.empty() ? 0 : std::ranges::max(mine);
  if (!mine.empty() && out.sigma > 0) {
    out.snr = out.total / (out.sigma * std::sqrt(static_cast<double>(mine.size())));
  }
  return out;
}

TEST_CASE("random scenes give what the definition gives, applied pixel by pixel") {
  std::mt19937 random(7);
  std::uniform_int_distribution<std::size_t> extent(1, 30);
  std::normal_distribution<float> noise(50.0F, 5.0F);
  std::bernoulli_distribution rarely(0.05);
  std::size_t measured = 0;
  for (int i = 0; i < 150; ++i) {
    const double density = i % 3 == 0 ? 0.7 : 0.1;
    Scene<float> scene(test::random_map(random, extent(random), extent(random), density), 0.0F);
    for (float& value : scene.image) value = rarely(random) ? NAN : noise(random);
    for (std::uint8_t& bad : scene.mask) bad = rarely(random);
    const int radius = 1 + i % 4;
    PeakMeter meter = scene.meter(radius);
    const auto lists = test::flood_fill(scene.map, Connectivity::eight);
    for (std::size_t k = 0; k < lists.size(); ++k) {
      const PeakProperties found = meter.measure(k);
      const PeakProperties expected = measure_slowly(scene, lists[k], scene.map, radius);
      REQUIRE(found.background == doctest::Approx(expected.background));
      REQUIRE(found.sigma == doctest::Approx(expected.sigma).epsilon(1e-5));
      REQUIRE(std::abs(found.total - expected.total) < 1e-6);
      REQUIRE(found.maximum == expected.maximum);
      REQUIRE(found.snr == doctest::Approx(expected.snr).epsilon(1e-5));
      ++measured;
    }
  }
  CHECK(measured > 500);
}

}  // namespace
}  // namespace pnflow
