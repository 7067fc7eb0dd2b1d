#include "test/gpu/peaknet_cuda/reference.h"

#include <algorithm>
#include <cmath>

namespace pnflow::test {

namespace {

// Mean and 1 / sqrt(variance + eps) of the values that `at(i)` gives for i below `count`.
template <class At>
std::pair<double, double> moments(std::size_t count, double eps, const At& at) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += at(i);
  const double mean = sum / static_cast<double>(count);
  double squares = 0;
  for (std::size_t i = 0; i < count; ++i) squares += (at(i) - mean) * (at(i) - mean);
  return {mean, 1 / std::sqrt(squares / static_cast<double>(count) + eps)};
}

}  // namespace

double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

Numbers normalised(Numbers x, std::size_t channels) {
  for (std::size_t at = 0; at < x.size(); at += channels) {
    const auto [mean, scale] = moments(channels, 1e-6, [&](std::size_t c) { return x[at + c]; });
    for (std::size_t c = 0; c < channels; ++c) x[at + c] = (x[at + c] - mean) * scale;
  }
  return x;
}

Numbers scaled(Numbers x, const Values& factors, const Values& summands) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = x[i] * factors[i % factors.size()] + summands[i % summands.size()];
  }
  return x;
}

Numbers depthwise(const Numbers& x, std::size_t channels, const PixelGrid& grid,
                  const Values& weight, const Values& bias) {
  const auto height = static_cast<std::ptrdiff_t>(grid.height);
  const auto width = static_cast<std::ptrdiff_t>(grid.width);
  Numbers sums(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % channels;
    const auto pixel = static_cast<std::ptrdiff_t>(i / channels);
    const std::ptrdiff_t column = pixel % width;
    const std::ptrdiff_t row = pixel / width % height;
    sums[i] = bias[c];
    for (std::ptrdiff_t place = 0; place < 49; ++place) {
      const std::ptrdiff_t down = place / 7 - 3;
      const std::ptrdiff_t right = place % 7 - 3;
      if (row + down < 0 || row + down >= height) continue;
      if (column + right < 0 || column + right >= width) continue;
      const auto from = static_cast<std::size_t>(pixel + down * width + right);
      sums[i] += x[from * channels + c] * weight[static_cast<std::size_t>(place) * channels + c];
    }
  }
  return sums;
}

Numbers up(const Numbers& x, std::size_t channels, const PixelGrid& grid) {
  return enlarged(x, channels, grid, 2);
}

Numbers enlarged(const Numbers& x, std::size_t channels, const PixelGrid& grid,
                 std::size_t factor) {
  const std::size_t height = grid.height * factor;
  const std::size_t width = grid.width * factor;
  const auto position = [&](std::size_t at, std::size_t size) {
    const double exact = (static_cast<double>(at) + 0.5) / static_cast<double>(factor) - 0.5;
    return std::clamp(exact, 0.0, static_cast<double>(size - 1));
  };
  Numbers larger;
  larger.reserve(grid.images * height * width * channels);
  for (std::size_t i = 0; i < grid.images * height * width * channels; ++i) {
    const std::size_t c = i % channels;
    const std::size_t pixel = i / channels;
    const double y = position(pixel / width % height, grid.height);
    const double x_at = position(pixel % width, grid.width);
    const std::size_t image = pixel / (height * width);
    double sum = 0;
    for (const double row : {std::floor(y), std::floor(y) + 1}) {
      for (const double column : {std::floor(x_at), std::floor(x_at) + 1}) {
        const double share = (1 - std::abs(y - row)) * (1 - std::abs(x_at - column));
        if (share == 0) continue;
        const std::size_t from =
            (image * grid.height + static_cast<std::size_t>(row)) * grid.width +
            static_cast<std::size_t>(column);
        sum += share * x[from * channels + c];
      }
    }
    larger.push_back(sum);
  }
  return larger;
}

Numbers down(const Numbers& x, std::size_t channels, const PixelGrid& grid) {
  Numbers smaller(grid.all() * channels);
  for (std::size_t i = 0; i < smaller.size(); ++i) {
    const std::size_t pixel = i / channels;
    const std::size_t row = 2 * (pixel / grid.width);  // of all images
    for (const std::size_t place : {0, 1, 2, 3}) {
      const std::size_t from =
          (row + place / 2) * 2 * grid.width + 2 * (pixel % grid.width) + place % 2;
      smaller[i] += 0.25 * x[from * channels + i % channels];
    }
  }
  return smaller;
}

Numbers group_norm(const Numbers& x, std::size_t channels, const PixelGrid& grid,
                   const Values& weight, const Values& bias) {
  const std::size_t each = channels / 32;
  Numbers y(x.size());
  for (std::size_t image = 0; image < grid.images; ++image) {
    for (std::size_t group = 0; group < 32; ++group) {
      const auto index = [&](std::size_t i) {
        return (image * grid.of_image() + i / each) * channels + group * each + i % each;
      };
      const std::size_t count = grid.of_image() * each;
      const auto [mean, scale] = moments(count, 1e-5, [&](std::size_t i) { return x[index(i)]; });
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t c = group * each + i % each;
        y[index(i)] = (x[index(i)] - mean) * scale * weight[c] + bias[c];
      }
    }
  }
  return y;
}

Numbers product(const Numbers& x, std::size_t inputs, const Values& weight, const Values& bias) {
  const std::size_t outputs = weight.size() / inputs;
  Numbers y;
  for (std::size_t at = 0; at < x.size(); at += inputs) {
    for (std::size_t o = 0; o < outputs; ++o) {
      double sum = bias.empty() ? 0 : bias[o];
      for (std::size_t c = 0; c < inputs; ++c) sum += x[at + c] * weight[o * inputs + c];
      y.push_back(sum);
    }
  }
  return y;
}

}  // namespace pnflow::test
