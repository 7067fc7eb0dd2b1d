// Matrix products and convolutions as PeakNet asks cuBLASLt and cuDNN for them.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gpu/peaknet_cuda/choose_algorithm.h"
#include "gpu/peaknet_cuda/convolution.h"
#include "gpu/peaknet_cuda/gemm.h"
#include "test/gpu/peaknet_cuda/reference.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

Numbers convolution3x3(const Values& x, std::size_t inputs, const PixelGrid& grid,
                       const Values& weight, const Values& bias) {
  const std::size_t outputs = bias.size();
  Numbers y;
  for (std::size_t i = 0; i < grid.all() * outputs; ++i) {
    const std::size_t o = i % outputs;
    const auto pixel = i / outputs;
    const std::size_t row = pixel / grid.width % grid.height;
    const std::size_t column = pixel % grid.width;
    double sum = bias[o];
    for (std::size_t place = 0; place < 9; ++place) {
      const std::size_t from_row = row + place / 3;
      const std::size_t from_column = column + place % 3;
      if (from_row < 1 || from_row > grid.height || from_column < 1 || from_column > grid.width) {
        continue;
      }
      const std::size_t from = pixel + (place / 3) * grid.width + place % 3 - grid.width - 1;
      for (std::size_t c = 0; c < inputs; ++c) {
        sum += double{x[from * inputs + c]} * weight[(o * 9 + place) * inputs + c];
      }
    }
    y.push_back(sum);
  }
  return y;
}

void check_gemm(const GemmShape& shape, cublasLtHandle_t handle, void* workspace) {
  CAPTURE(shape.rows);
  CAPTURE(shape.inputs);
  CAPTURE(static_cast<int>(shape.epilogue));
  CAPTURE(static_cast<int>(shape.precision));
  const Precision precision = shape.precision;
  const Values x = random_values(shape.batch * shape.rows * shape.inputs, precision, 1);
  Values weight = random_values(shape.batch * shape.outputs * shape.inputs, precision, 2);
  for (float& w : weight) w *= 0.125F;
  const Values bias = random_values(shape.outputs, precision, 3);
  const Values before = random_values(shape.batch * shape.rows * shape.outputs, precision, 4);
  const DeviceValues device_x(x, precision);
  const DeviceValues device_weight(weight, precision);
  const DeviceValues device_bias(bias, precision);
  Numbers expected;
  for (std::size_t b = 0; b < shape.batch; ++b) {
    const auto part = [b](const Values& all, std::size_t count) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(b * count);
      return Values(begin, begin + static_cast<std::ptrdiff_t>(count));
    };
    const Numbers of_batch = product(numbers(part(x, shape.rows * shape.inputs)), shape.inputs,
                                     part(weight, shape.outputs * shape.inputs),
                                     shape.epilogue == GemmEpilogue::none ? Values() : bias);
    expected.insert(expected.end(), of_batch.begin(), of_batch.end());
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (shape.epilogue == GemmEpilogue::bias_gelu) expected[i] = gelu(expected[i]);
    if (shape.add) expected[i] += before[i];
  }
  Gemm gemm(handle, shape);
  for (const bool fastest : {false, true}) {
    const DeviceValues scratch(before, precision);
    const DeviceValues out(before, precision);
    GemmOperands operands{device_x.data(), device_weight.data(), device_bias.data(),
                          scratch.data()};
    if (fastest) CHECK(gemm.use_fastest(operands, workspace, nullptr) > 0);
    operands.out = out.data();
    gemm.run(operands, workspace, nullptr);
    // The library's GELU is 4.7e-4 off, half a last bit of float16.
    const bool with_gelu = shape.epilogue == GemmEpilogue::bias_gelu;
    const double factor = precision == Precision::float32                ? 2
                          : with_gelu && precision == Precision::float16 ? 3
                                                                         : 1.5;
    check_near(out.values(), expected, precision, factor);
  }
}

}  // namespace

TEST_CASE("matrix products with every epilogue, small images") {
  const CublasLt handle = make_cublas_lt();
  CudaBuffer workspace(MemoryKind::device);
  workspace.reserve(Gemm::most_workspace);
  for (const Precision precision : all_precisions) {
    for (const std::size_t rows : {1, 35, 300}) {
      for (const GemmEpilogue epilogue : {GemmEpilogue::none, GemmEpilogue::bias}) {
        check_gemm({rows, 64, 16, epilogue, false, 1, precision}, handle.get(), workspace.data());
        check_gemm({rows, 24, 96, epilogue, false, 1, precision}, handle.get(), workspace.data());
        check_gemm({rows, 16, 64, epilogue, true, 3, precision}, handle.get(), workspace.data());
      }
      if (precision == Precision::float32) continue;  // GELU is a kernel's work there
      check_gemm({rows, 64, 16, GemmEpilogue::bias_gelu, false, 1, precision}, handle.get(),
                 workspace.data());
    }
  }
}

TEST_CASE("3x3 convolutions, small images") {
  const Cudnn handle = make_cudnn();
  CudaBuffer workspace(MemoryKind::device);
  workspace.reserve(Convolution::most_workspace);
  for (const Precision precision : all_precisions) {
    for (const PixelGrid& grid : {PixelGrid{1, 1, 1}, PixelGrid{3, 7, 5}, PixelGrid{1, 20, 34}}) {
      for (const auto& [inputs, outputs] : {std::pair{32, 32}, {256, 256}, {32, 64}}) {
        CAPTURE(grid.height);
        CAPTURE(inputs);
        CAPTURE(static_cast<int>(precision));
        const auto from = static_cast<std::size_t>(inputs);
        const auto to = static_cast<std::size_t>(outputs);
        const Values x = random_values(grid.all() * from, precision, 1);
        Values weight = random_values(to * 9 * from, precision, 2);
        for (float& w : weight) w *= 0.03125F;
        const Values bias = random_values(to, precision, 3);
        const DeviceValues device_x(x, precision);
        const DeviceValues device_weight(weight, precision);
        const DeviceValues device_bias(bias, precision);
        const DeviceValues out(grid.all() * to, precision);
        const ConvolutionOperands operands{device_x.data(), device_weight.data(),
                                           device_bias.data(), out.data()};
        const Numbers expected = convolution3x3(x, from, grid, weight, bias);
        Convolution convolution(handle.get(), {grid, from, to, precision});
        REQUIRE(convolution.workspace_bytes() <= Convolution::most_workspace);
        convolution.run(operands, workspace.data(), nullptr);
        check_near(out.values(), expected, precision, 5);
        // All plans take a while: one shape will do.
        if (from != 32 || to != 32 || grid.images != 3) continue;
        CHECK(convolution.use_fastest(operands, workspace.data(), Convolution::most_workspace,
                                      nullptr) > 0);
        const std::size_t plan = convolution.plan();
        convolution.run(operands, workspace.data(), nullptr);
        check_near(out.values(), expected, precision, 5);
        Convolution again(handle.get(), {grid, from, to, precision});
        CHECK(again.plans() == convolution.plans());
        CHECK(again.use_plan(plan));
      }
    }
  }
}

TEST_CASE("what was chosen once is what later runs use, small images") {
  constexpr auto precision = Precision::bfloat16;
  std::vector<std::string> said;
  AlgorithmCache cache({}, [&](const std::string& line) { said.push_back(line); });
  CudaBuffer workspace(MemoryKind::device);
  workspace.reserve(Convolution::most_workspace);
  const PixelGrid grid{1, 7, 5};
  const DeviceValues x(random_values(grid.all() * 32, precision, 1), precision);
  const DeviceValues weight(random_values(9 * 32 * 32, precision, 2), precision);
  const DeviceValues bias(random_values(32, precision, 3), precision);
  const DeviceValues out(grid.all() * 32, precision);
  SUBCASE("of a matrix product") {
    const CublasLt handle = make_cublas_lt();
    const GemmOperands operands{x.data(), weight.data(), bias.data(), out.data()};
    Gemm gemm(handle.get(), {grid.all(), 32, 32, GemmEpilogue::bias, false, 1, precision});
    const std::string key = cache_key(gemm);
    CAPTURE(key);
    CHECK(key.ends_with(" algorithms: 1 x 35x32 times 32x32 bfloat16, bias"));
    choose_algorithm(gemm, cache, operands, workspace.data(), nullptr);
    CHECK(cache.find(key) == gemm.algorithm());
    for (std::size_t other = 0; other < gemm.algorithms(); ++other) {
      if (!gemm.try_algorithm(other, operands, workspace.data(), nullptr)) continue;
      cache.store(key, other);  // as another run may have found it
      Gemm later(handle.get(), gemm.shape());
      choose_algorithm(later, cache, operands, workspace.data(), nullptr);
      CHECK(later.algorithm() == other);
    }
    cache.store(key, gemm.algorithms());
    choose_algorithm(gemm, cache, operands, workspace.data(), nullptr);
    CHECK(gemm.algorithm() < gemm.algorithms());
    CHECK(cache.find(key) == gemm.algorithm());
  }
  SUBCASE("of a convolution") {
    const Cudnn handle = make_cudnn();
    const ConvolutionOperands operands{x.data(), weight.data(), bias.data(), out.data()};
    Convolution convolution(handle.get(), {grid, 32, 32, precision});
    const std::string key = cache_key(convolution);
    CAPTURE(key);
    CHECK(
        key.ends_with(" plans: 3x3 convolution of 1 x 7x5 pixels, 32 to 32 channels of bfloat16"));
    const auto choose = [&](Convolution& of, std::size_t workspace_bytes) {
      choose_plan(of, cache, operands, workspace.data(), workspace_bytes, nullptr);
    };
    choose(convolution, Convolution::most_workspace);
    const std::size_t chosen = convolution.plan();
    CHECK(cache.find(key) == chosen);
    Convolution later(handle.get(), convolution.shape());
    choose(later, Convolution::most_workspace);
    CHECK(later.plan() == chosen);
    cache.store(key, convolution.plans());
    choose(later, Convolution::most_workspace);
    CHECK(later.plan() < later.plans());
    CHECK(cache.find(key) == later.plan());
  }
  CHECK(said.empty());
}
