#include "io/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <utility>

namespace pnflow {
namespace {

constexpr std::size_t noise_entries = 65536;  // one for each value of 16 random bits

// The finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection that scatters all bits.
std::uint64_t scatter(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

template <class T>
T to_pixel(double value) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value);
  } else {
    using Limits = std::numeric_limits<T>;
    return static_cast<T>(std::clamp(std::nearbyint(value), static_cast<double>(Limits::min()),
                                     static_cast<double>(Limits::max())));
  }
}

// The quantiles of a Poisson distribution at (i + 0.5) / n: n values with its shape and mean.
std::vector<double> poisson_quantiles(double mean, std::size_t n) {
  std::vector<double> values(n, 0.0);
  if (mean <= 0) return values;
  double count = std::max(0.0, std::floor(mean - 12 * std::sqrt(mean)));
  double probability = std::exp(count * std::log(mean) - mean - std::lgamma(count + 1));
  double cumulative = probability;
  const double last = mean + 12 * std::sqrt(mean) + 20;
  for (std::size_t i = 0; i < n; ++i) {
    const double quantile = (static_cast<double>(i) + 0.5) / static_cast<double>(n);
    while (cumulative < quantile && count < last) {
      count += 1;
      probability *= mean / count;
      cumulative += probability;
    }
    values[i] = count;
  }
  return values;
}

}  // namespace

// Splitmix64 as a stream of its own for each (seed, event). The distributions are written out
// because those of the standard library differ between implementations.
class Simulation::Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream)
      : state_(scatter(scatter(seed ^ 0x706e666c6f77U) + 0x9e3779b97f4a7c15U * (stream + 1))) {}

  std::uint64_t bits() {
    state_ += 0x9e3779b97f4a7c15U;
    return scatter(state_);
  }
  // In [low, high).
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(bits() >> 11) * 0x1p-53;
  }
  // In [low, high]; the bias of the modulus is below 2^-32 for ranges below 2^32.
  std::size_t integer(std::size_t low, std::size_t high) { return low + bits() % (high - low + 1); }
  // Box-Muller; 1 - u keeps the logarithm finite.
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform(0, 1)));
    return radius * std::cos(uniform(0, 2 * std::numbers::pi));
  }

 private:
  std::uint64_t state_;
};

Simulation::Simulation(const SimulationSettings& settings) : settings_(settings) {
  const auto require = [](bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(fmt::format("simulated events: {}", what));
  };
  const DType t = settings.dtype;
  require(
      t == DType::u16 || t == DType::i16 || t == DType::i32 || t == DType::f32 || t == DType::f64,
      "the dtype must be uint16, int16, int32, float32 or float64");
  require(settings.height > 0 && settings.width > 0, "an image must have pixels");
  require(settings.min_peaks <= settings.max_peaks, "fewest peaks must not exceed most peaks");
  require(settings.min_amplitude <= settings.max_amplitude,
          "smallest amplitude must not exceed largest amplitude");
  require(settings.sigma > 0, "the width of a spot must be positive");
  require(settings.background >= 0 && settings.noise >= 0, "noise must not be negative");
  require(settings.bad_pixels >= 0 && settings.bad_pixels <= 1,
          "the fraction of bad pixels must be between 0 and 1");
  shape_ = {settings.height, settings.width};
  if (settings.panels > 0) shape_.insert(shape_.begin(), settings.panels);
  pixels_ = elements_of(shape_);
  make_noise();
  make_bad_pixels();
}

void Simulation::make_noise() {
  Random random(settings_.seed, std::numeric_limits<std::uint64_t>::max() - 1);
  std::vector<double> values = poisson_quantiles(settings_.background, noise_entries);
  for (std::size_t i = values.size() - 1; i > 0; --i) {
    std::swap(values[i], values[random.integer(0, i)]);
  }
  for (double& value : values) value += settings_.noise * random.normal();
  noise_.resize(noise_entries * size_of(settings_.dtype));
  dispatch(settings_.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::ranges::transform(values, reinterpret_cast<T*>(noise_.data()), to_pixel<T>);
  });
}

void Simulation::make_bad_pixels() {
  Random random(settings_.seed, std::numeric_limits<std::uint64_t>::max() - 2);
  const auto wanted =
      static_cast<std::size_t>(std::llround(settings_.bad_pixels * static_cast<double>(pixels_)));
  if (wanted == 0) return;
  mask_.assign(pixels_, 0);
  // Selection sampling: every set of that many pixels is equally likely, in one pass.
  for (std::size_t i = 0; i < pixels_ && bad_.size() < wanted; ++i) {
    if (random.integer(0, pixels_ - i - 1) < wanted - bad_.size()) {
      mask_[i] = 1;
      bad_.push_back(i);
    }
  }
}

bool Simulation::is_free(const SimulatedPeak& peak, std::span<const SimulatedPeak> others) const {
  const double apart = 8 * settings_.sigma;
  for (const SimulatedPeak& other : others) {
    if (other.panel == peak.panel && std::hypot(other.y - peak.y, other.x - peak.x) < apart) {
      return false;
    }
  }
  if (mask_.empty()) return true;
  const auto row = static_cast<std::size_t>(std::lround(peak.y));
  const auto column = static_cast<std::size_t>(std::lround(peak.x));
  const std::size_t panel =
      static_cast<std::size_t>(peak.panel) * settings_.height * settings_.width;
  return mask_[panel + row * settings_.width + column] == 0;
}

std::vector<SimulatedPeak> Simulation::place_peaks(Random& random) const {
  constexpr int attempts = 50;
  const auto position = [&](std::size_t extent) {
    const double last = static_cast<double>(extent - 1);
    const double margin = std::min(3 * settings_.sigma, last / 2);
    return random.uniform(margin, last - margin);
  };
  const std::size_t wanted = random.integer(settings_.min_peaks, settings_.max_peaks);
  const std::size_t panels = std::max<std::size_t>(settings_.panels, 1);
  std::vector<SimulatedPeak> peaks;
  for (std::size_t i = 0; i < wanted; ++i) {
    for (int attempt = 0; attempt < attempts; ++attempt) {
      SimulatedPeak peak;
      peak.panel = static_cast<std::int32_t>(random.integer(0, panels - 1));
      peak.y = position(settings_.height);
      peak.x = position(settings_.width);
      peak.amplitude =
          static_cast<float>(random.uniform(settings_.min_amplitude, settings_.max_amplitude));
      if (!is_free(peak, peaks)) continue;
      peaks.push_back(peak);
      break;
    }
  }
  return peaks;
}

template <class T>
void Simulation::draw(Random& random, std::span<const SimulatedPeak> peaks,
                      std::span<T> out) const {
  const T* noise = reinterpret_cast<const T*>(noise_.data());
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    bits = i % 4 == 0 ? random.bits() : bits >> 16;
    out[i] = noise[bits & (noise_entries - 1)];
  }
  // 5 sigma out a spot is below 4e-6 of its amplitude.
  const auto reach = static_cast<std::int64_t>(std::ceil(5 * settings_.sigma));
  const auto height = static_cast<std::int64_t>(settings_.height);
  const auto width = static_cast<std::int64_t>(settings_.width);
  const double scale = -0.5 / (settings_.sigma * settings_.sigma);
  for (const SimulatedPeak& peak : peaks) {
    const std::int64_t row = std::llround(peak.y);
    const std::int64_t column = std::llround(peak.x);
    for (std::int64_t y = std::max<std::int64_t>(0, row - reach);
         y <= std::min(height - 1, row + reach); ++y) {
      for (std::int64_t x = std::max<std::int64_t>(0, column - reach);
           x <= std::min(width - 1, column + reach); ++x) {
        const double dy = static_cast<double>(y) - peak.y;
        const double dx = static_cast<double>(x) - peak.x;
        T& pixel = out[static_cast<std::size_t>((peak.panel * height + y) * width + x)];
        pixel = to_pixel<T>(static_cast<double>(pixel) + static_cast<double>(peak.amplitude) *
                                                             std::exp(scale * (dy * dy + dx * dx)));
      }
    }
  }
  const T hot = to_pixel<T>(4 * settings_.max_amplitude);
  for (std::size_t i = 0; i < bad_.size(); ++i) out[bad_[i]] = i % 2 == 0 ? T{0} : hot;
}

std::vector<SimulatedPeak> Simulation::render(std::uint64_t event, std::span<std::byte> out) const {
  if (out.size() != event_bytes()) {
    throw std::invalid_argument(
        fmt::format("{} bytes for a simulated event of {}", out.size(), event_bytes()));
  }
  Random random(settings_.seed, event);
  std::vector<SimulatedPeak> peaks = place_peaks(random);
  dispatch(settings_.dtype, [&](auto zero) {
    using T = decltype(zero);
    draw<T>(random, peaks, {reinterpret_cast<T*>(out.data()), pixels_});
  });
  return peaks;
}

}  // namespace pnflow
