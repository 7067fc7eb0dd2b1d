#include "test/gpu/peaknet_cuda/device_values.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>

#include "gpu/cuda/cuda_check.h"

namespace pnflow::test {

namespace {

// Of a precision of 16 bits.
std::vector<std::uint16_t> bits_of(const Values& values, Precision precision) {
  std::vector<std::uint16_t> bits(values.size());
  std::ranges::transform(values, bits.begin(), [&](float value) {
    return precision == Precision::float16 ? __half_as_ushort(__float2half(value))
                                           : __bfloat16_as_ushort(__float2bfloat16(value));
  });
  return bits;
}

Values values_of(const std::vector<std::uint16_t>& bits, Precision precision) {
  Values values(bits.size());
  std::ranges::transform(bits, values.begin(), [&](std::uint16_t value) {
    return precision == Precision::float16 ? __half2float(__ushort_as_half(value))
                                           : __bfloat162float(__ushort_as_bfloat16(value));
  });
  return values;
}

}  // namespace

DeviceValues::DeviceValues(std::size_t count, Precision precision)
    : DeviceValues(Values(count, std::numeric_limits<float>::quiet_NaN()), precision) {}

DeviceValues::DeviceValues(const Values& values, Precision precision)
    : count_(values.size()), precision_(precision) {
  const std::size_t bytes = count_ * size_of(precision);
  buffer_.reserve(std::max<std::size_t>(bytes, 1));
  const auto upload = [&](const auto& typed) {
    check(cudaMemcpy(buffer_.data(), typed.data(), bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
  };
  if (precision == Precision::float32) {
    upload(values);
  } else {
    upload(bits_of(values, precision));
  }
}

float* DeviceValues::floats() const {
  REQUIRE(precision_ == Precision::float32);
  return reinterpret_cast<float*>(buffer_.data());
}

Values DeviceValues::values() const {
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  const auto download = [&](auto& typed) {
    check(cudaMemcpy(typed.data(), buffer_.data(), count_ * size_of(precision_),
                     cudaMemcpyDeviceToHost),
          "cudaMemcpy");
  };
  if (precision_ == Precision::float32) {
    Values values(count_);
    download(values);
    return values;
  }
  std::vector<std::uint16_t> bits(count_);
  download(bits);
  return values_of(bits, precision_);
}

Values random_values(std::size_t count, Precision precision, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Values values(count);
  std::ranges::generate(values, [&] { return normal(random); });
  if (precision == Precision::float32) return values;
  return values_of(bits_of(values, precision), precision);
}

void check_near(const Values& actual, const std::vector<double>& expected, Precision precision,
                double factor) {
  REQUIRE(actual.size() == expected.size());
  const double relative = factor * (precision == Precision::float32   ? 2e-5
                                    : precision == Precision::float16 ? 0x1p-10
                                                                      : 0x1p-7);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double room = relative * std::max(1.0, std::abs(expected[i]));
    if (std::abs(actual[i] - expected[i]) <= room) continue;  // not so with a NaN
    if (++wrong <= 3) MESSAGE("value " << i << " is " << actual[i] << ", not " << expected[i]);
  }
  CHECK(wrong == 0);
}

}  // namespace pnflow::test
