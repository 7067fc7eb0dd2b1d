#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "test/gpu/peaknet_cuda/device_values.h"

namespace pnflow::test {

// What PeakNet's kernels compute, in double, one formula after the other as PyTorch has them.
// Activations are (images, height, width, channels).

using Numbers = std::vector<double>;

inline Numbers numbers(const Values& values) { return {values.begin(), values.end()}; }
double gelu(double x);

// (x - mean) / deviation over the channels of each pixel.
Numbers normalised(Numbers x, std::size_t channels);
// Each channel times its factor, and its summand.
Numbers scaled(Numbers x, const Values& factors, const Values& summands);
Numbers depthwise(const Numbers& x, std::size_t channels, const PixelGrid& grid,
                  const Values& weight, const Values& bias);
// Twice as high and wide.
Numbers up(const Numbers& x, std::size_t channels, const PixelGrid& grid);
// Times any factor.
Numbers enlarged(const Numbers& x, std::size_t channels, const PixelGrid& grid, std::size_t factor);
// Half as high and wide: the mean of 2x2; `grid` is what comes out.
Numbers down(const Numbers& x, std::size_t channels, const PixelGrid& grid);
Numbers group_norm(const Numbers& x, std::size_t channels, const PixelGrid& grid,
                   const Values& weight, const Values& bias);
// Rows of `inputs` values times weight (outputs, inputs), and bias unless it is empty.
Numbers product(const Numbers& x, std::size_t inputs, const Values& weight, const Values& bias);

}  // namespace pnflow::test
