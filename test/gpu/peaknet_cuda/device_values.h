#pragma once

#include <cstddef>
#include <vector>

#include "gpu/cuda/cuda_memory.h"
#include "gpu/engine_settings.h"
#include "gpu/peaknet_cuda/kernels.h"

namespace pnflow::test {

using Values = std::vector<float>;

// Values in a device's memory, in some precision.
class DeviceValues {
 public:
  // Room, filled with NaNs: what a kernel does not write is seen.
  DeviceValues(std::size_t count, Precision precision);
  DeviceValues(const Values& values, Precision precision);

  void* data() const { return buffer_.data(); }
  float* floats() const;  // of float32
  // Waits for the device.
  Values values() const;

 private:
  CudaBuffer buffer_{MemoryKind::device};
  std::size_t count_;
  Precision precision_;
};

// About 0, of variance 1, the same for the same seed, rounded to what the precision can hold.
Values random_values(std::size_t count, Precision precision, unsigned seed);

// Every value within what the precision's last bit and sums of many terms explain: 2^-7 of
// bfloat16, 2^-10 of float16 (results are rounded once, and some of them are made of rounded ones),
// 2e-5 of float32, of the value or 1, whichever is larger, times `factor`.
void check_near(const Values& actual, const std::vector<double>& expected, Precision precision,
                double factor = 1);

inline constexpr Precision all_precisions[] = {Precision::float32, Precision::bfloat16,
                                               Precision::float16};
// GELU in types of 16 bits has an error of its own, up to 2^-12 of its argument, for which
// float16's last bit leaves no room.
constexpr double gelu_factor(Precision precision) {
  return precision == Precision::float16 ? 2 : 1;
}

// The last axis is the channels.
inline const PixelGrid awkward_grids[] = {{1, 1, 1}, {1, 2, 2},  {3, 1, 9},  {1, 13, 1},
                                          {3, 7, 5}, {1, 8, 70}, {2, 31, 17}};
// Of which cells of 2x2 pixels can be made.
inline const PixelGrid even_grids[] = {{1, 2, 2}, {3, 4, 6}, {1, 2, 18}, {2, 30, 10}};

}  // namespace pnflow::test
