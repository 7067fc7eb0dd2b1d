#include "gpu/threshold.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace pnflow;

namespace {

template <class T>
struct Picture {
  Picture(std::size_t h, std::size_t w, T value = {})
      : height(h), width(w), pixels(h * w, value), bad(h * w) {}
  T& at(std::size_t y, std::size_t x) { return pixels[y * width + x]; }

  std::vector<std::uint8_t> find(const ThresholdSettings& settings = {}) const {
    ThresholdFinder finder(settings);
    const auto found = finder.find(reinterpret_cast<const std::byte*>(pixels.data()), dtype_of<T>,
                                   bad.data(), height, width, width);
    return {found.begin(), found.end()};
  }

  std::size_t height, width;
  std::vector<T> pixels;
  std::vector<std::uint8_t> bad;
};

std::size_t count(const std::vector<std::uint8_t>& map) {
  return static_cast<std::size_t>(std::ranges::count(map, 1));
}

// Photons of 10 ADU over a background, with spots, bad pixels and hot ones.
template <class T>
Picture<T> noisy(std::uint32_t seed, std::size_t height, std::size_t width) {
  std::mt19937 random(seed);
  Picture<T> picture(height, width);
  std::poisson_distribution<int> photons(0.3);
  for (auto& x : picture.pixels)
    x = static_cast<T>(10 * photons(random) + static_cast<int>(random() % 5));
  for (std::size_t i = 0; i < height * width / 150; ++i) {
    const std::size_t y = random() % height;
    const std::size_t x = random() % width;
    const int light = 30 + static_cast<int>(random() % 200);
    picture.at(y, x) += static_cast<T>(light);
    if (y + 1 < height) picture.at(y + 1, x) += static_cast<T>(light / 2);
    if (x + 1 < width) picture.at(y, x + 1) += static_cast<T>(light / 3);
  }
  for (auto& b : picture.bad) b = random() % 40 == 0 ? 1 : 0;
  return picture;
}

// A spot of a few pixels, its brightest at (y, x).
template <class T>
void add_spot(Picture<T>& picture, std::size_t y, std::size_t x) {
  picture.at(y, x) += 150;
  if (x > 0) picture.at(y, x - 1) += 60;
  if (x + 1 < picture.width) picture.at(y, x + 1) += 70;
  if (y > 0) picture.at(y - 1, x) += 60;
  if (y + 1 < picture.height) picture.at(y + 1, x) += 70;
}

// The definition of gpu/threshold.h, window by window.
template <class T>
class ByDefinition {
 public:
  ByDefinition(const Picture<T>& picture, const ThresholdSettings& s) : p_(picture), s_(s) {
    for (std::size_t i = 0; i < p_.pixels.size(); ++i) {
      const auto x = static_cast<double>(p_.pixels[i]);
      good_.push_back(p_.bad[i] == 0 && std::isfinite(x));
      value_.push_back(good_[i] ? std::nearbyint(std::clamp(x, -524288.0, 524288.0) * 128) : 0);
    }
    counts_ = good_;
    for (int pass = 0; pass < 2; ++pass) {
      auto next = good_;
      for (std::size_t i = 0; i < value_.size(); ++i) {
        const Window w = window(i);
        const long double d = w.n * value_[i] - w.sum;
        if (d > 0 && d * d > s_.clip * s_.clip * w.variance) next[i] = false;
      }
      counts_ = next;
    }
  }

  std::vector<std::uint8_t> map() const {
    const std::size_t n = value_.size();
    std::vector<bool> lit(n), seed(n);
    const int side = 2 * s_.radius + 1;
    for (std::size_t i = 0; i < n; ++i) {
      const Window w = window(i);
      const long double d = w.n * value_[i] - w.sum;
      lit[i] = good_[i] && 8 * w.n >= side * side && d > s_.grow_adu * 128 * w.n && d > 0 &&
               d * d > s_.grow_snr * s_.grow_snr * w.variance;
    }
    for (std::size_t i = 0; i < n; ++i) {
      const Window w = window(i);
      long double sum = 0;
      long double largest = -1e30L;
      int good = 0;
      int bright = 0;
      for (const std::size_t j : around(i, 1)) {
        bright += lit[j] ? 1 : 0;
        if (!good_[j]) continue;
        ++good;
        sum += w.n * value_[j] - w.sum;
        largest = std::max(largest, w.n * value_[j] - w.sum);
      }
      seed[i] = lit[i] && bright >= s_.min_pixels && sum > s_.min_intensity * 128 * w.n &&
                sum * sum > s_.snr * s_.snr * good * w.variance && largest < s_.max_share * sum;
    }
    std::vector<std::uint8_t> found(n);
    for (std::size_t i = 0; i < n; ++i) {
      for (const std::size_t j : around(i, 1)) found[i] |= seed[i] || (lit[i] && seed[j]) ? 1 : 0;
    }
    return found;
  }

 private:
  struct Window {
    long double n = 0, sum = 0, variance = 0;  // n^2 times the variance
  };
  std::vector<std::size_t> around(std::size_t i, int radius) const {
    std::vector<std::size_t> out;
    const int y0 = static_cast<int>(i / p_.width);
    const int x0 = static_cast<int>(i % p_.width);
    for (int y = y0 - radius; y <= y0 + radius; ++y) {
      for (int x = x0 - radius; x <= x0 + radius; ++x) {
        if (y < 0 || x < 0 || y >= static_cast<int>(p_.height) || x >= static_cast<int>(p_.width))
          continue;
        out.push_back(static_cast<std::size_t>(y) * p_.width + static_cast<std::size_t>(x));
      }
    }
    return out;
  }
  Window window(std::size_t i) const {
    Window w;
    long double squares = 0;
    for (const std::size_t j : around(i, s_.radius)) {
      if (!counts_[j]) continue;
      w.n += 1;
      w.sum += value_[j];
      squares += value_[j] * value_[j];
    }
    const long double floor = w.n * s_.min_sigma * 128;
    w.variance = std::max(w.n * squares - w.sum * w.sum, floor * floor);
    return w;
  }

  const Picture<T>& p_;
  ThresholdSettings s_;
  std::vector<bool> good_, counts_;
  std::vector<long double> value_;
};

}  // namespace

TEST_CASE("what is found is what the definition says, on random images of any size and radius") {
  std::size_t found = 0;
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    ThresholdSettings settings;
    settings.radius = 1 + static_cast<int>(seed % 9);
    settings.min_pixels = 1 + static_cast<int>(seed % 4);
    settings.snr = 4 + seed % 3;
    const std::size_t height = 1 + (seed * 7) % 50;
    const std::size_t width = 1 + (seed * 13) % 60;
    const auto integers = noisy<std::int16_t>(seed, height, width);
    const auto map = integers.find(settings);
    REQUIRE(map == ByDefinition(integers, settings).map());
    found += count(map);
    auto reals = noisy<float>(seed, height, width);
    for (auto& x : reals.pixels) x *= 0.937F;
    reals.pixels[seed % reals.pixels.size()] = std::numeric_limits<float>::quiet_NaN();
    REQUIRE(reals.find(settings) == ByDefinition(reals, settings).map());
  }
  CHECK(found > 200);
}

TEST_CASE("the same values give the same map whatever their dtype") {
  const auto integers = noisy<std::uint16_t>(5, 60, 70);
  const auto map = integers.find();
  CHECK(count(map) > 20);
  Picture<double> doubles(60, 70);
  Picture<float> floats(60, 70);
  Picture<std::int32_t> wide(60, 70);
  doubles.bad = floats.bad = wide.bad = integers.bad;
  doubles.pixels.assign(integers.pixels.begin(), integers.pixels.end());
  floats.pixels.assign(integers.pixels.begin(), integers.pixels.end());
  wide.pixels.assign(integers.pixels.begin(), integers.pixels.end());
  CHECK(doubles.find() == map);
  CHECK(floats.find() == map);
  CHECK(wide.find() == map);
}

TEST_CASE("a constant image has no peaks") {
  for (const float level : {0.0F, 1000.0F, -3.5F})
    CHECK(count(Picture<float>(40, 40, level).find()) == 0);
}

TEST_CASE("a spot is found where it is, corners and edges included, and nothing else is") {
  for (const std::size_t y : {0, 1, 20, 38, 39}) {
    for (const std::size_t x : {0, 1, 25, 48, 49}) {
      Picture<std::uint16_t> picture(40, 50, 20);
      add_spot(picture, y, x);
      const auto map = picture.find();
      REQUIRE(map[y * 50 + x] == 1);
      for (std::size_t i = 0; i < map.size(); ++i) {
        REQUIRE((map[i] == 1) == (picture.pixels[i] != 20));
      }
    }
  }
}

TEST_CASE("a single hot pixel is no peak, unless asked for") {
  Picture<std::uint16_t> picture(40, 40, 20);
  picture.at(10, 10) = 5000;
  CHECK(count(picture.find()) == 0);
  ThresholdSettings settings;
  settings.min_pixels = 1;
  settings.max_share = 1.01;
  CHECK(count(picture.find(settings)) == 1);
}

TEST_CASE("masked and non-finite pixels are never found and do not spoil the background") {
  Picture<float> clean(40, 40, 20);
  add_spot(clean, 20, 20);
  auto spoiled = clean;
  for (std::size_t i = 0; i < spoiled.pixels.size(); i += 7) {
    if (clean.pixels[i] != 20) continue;
    spoiled.pixels[i] = i % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : -1e30F;
    spoiled.bad[i] = i % 2 == 0 ? 0 : 1;
  }
  CHECK(count(clean.find()) == 5);
  CHECK(spoiled.find() == clean.find());
  spoiled.bad.assign(spoiled.bad.size(), 1);
  CHECK(count(spoiled.find()) == 0);
}

TEST_CASE("values beyond the fixed point's range are kept at its ends") {
  Picture<double> picture(30, 30, 1e12);
  CHECK(count(picture.find()) == 0);
  picture.pixels.assign(900, -1e12);
  add_spot(picture, 5, 5);  // lost below the range
  CHECK(count(picture.find()) == 0);
}
