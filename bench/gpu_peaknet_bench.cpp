// PeakNet base at 1920x1920 pixels, op by op: each kernel, matrix product and convolution alone,
// the time that it takes for an image beside its limit on this device, and how much of its time is
// lost that way. Sorted by what is lost in a whole network.
//
//   pnflow_gpu_peaknet_bench [--batch 8] [--seconds 0.2]
//
// The limit is the larger of bytes, each tensor once, by the speed of copies on the device, and
// operations by that of a large matrix product, both measured here. These are bursts: where a
// device is held back by its power, minutes of work are slower. Ends with 77 where there is no GPU.

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/cuda_handles.h"
#include "gpu/cuda/cuda_memory.h"
#include "gpu/peaknet_cuda/convolution.h"
#include "gpu/peaknet_cuda/gemm.h"
#include "gpu/peaknet_cuda/hopper_kernels.h"
#include "gpu/peaknet_cuda/kernels.h"

namespace {

using namespace pnflow;

constexpr std::size_t hidden[] = {96, 192, 384, 768};
constexpr int depths[] = {3, 3, 9, 3};
constexpr std::size_t features = 256;
constexpr int bifpn_blocks = 2;
constexpr std::size_t side = 480;  // of level 0
constexpr auto bf16 = Precision::bfloat16;
constexpr int ended_without_gpu = 77;

struct Op {
  std::string name;
  int times;     // in a network
  double bytes;  // of a batch
  double operations;
  double milliseconds = 0;  // of a batch
};

// Where an op reads and writes: numbers between 0.5 and 2, or -2 and -0.5, as bfloat16 and as
// float32 alike. Zeros, or equal numbers, would take less power.
class Memory {
 public:
  explicit Memory(std::size_t bytes) {
    buffer_.reserve(bytes);
    std::mt19937 random(1);
    std::vector<std::uint32_t> noise(std::size_t{1} << 20U);
    for (std::uint32_t& two : noise) two = 0x3f003f00U | (random() & 0x80ff80ffU);
    for (std::size_t at = 0; at < bytes; at += noise.size() * sizeof(noise[0])) {
      check(
          cudaMemcpy(buffer_.data() + at, noise.data(),
                     std::min(bytes - at, noise.size() * sizeof(noise[0])), cudaMemcpyHostToDevice),
          "cudaMemcpy");
    }
  }
  std::byte* data() const { return buffer_.data(); }
  float* floats() const { return reinterpret_cast<float*>(buffer_.data()); }

 private:
  CudaBuffer buffer_{MemoryKind::device};
};

class Bench {
 public:
  Bench(std::size_t batch, double seconds) : batch_(batch), seconds_(seconds) {
    copy_speed_ =
        2.0 * static_cast<double>(large) / timed([&] {
          check(cudaMemcpyAsync(b_.data(), a_.data(), large, cudaMemcpyDeviceToDevice, stream_),
                "cudaMemcpyAsync");
        }) *
        1e3;
    constexpr std::size_t n = 8192;
    product_speed_ = 2.0 * n * n * n / product({n, n, n}) * 1e3;
  }

  void run() {
    heading();
    backbone();
    bifpn();
    heads();
    table();
  }

 private:
  // Room for 4 x 96 channels at 480x480 of a batch of 12, or for 256 behind its first half.
  static constexpr std::size_t large = std::size_t{3} << 30U;

  PixelGrid grid(std::size_t level) const { return {batch_, side >> level, side >> level}; }

  // Milliseconds of one call, the median of rounds that take `seconds` together.
  template <class Work>
  double timed(const Work& work) {
    const Event begin;
    const Event end;
    work();
    work();
    std::vector<float> rounds;
    double sum = 0;
    while (rounds.size() < 5 || sum < seconds_ * 1e3) {
      constexpr int calls = 5;
      check(cudaEventRecord(begin, stream_), "cudaEventRecord");
      for (int i = 0; i < calls; ++i) work();
      check(cudaEventRecord(end, stream_), "cudaEventRecord");
      check(cudaEventSynchronize(end), "cudaEventSynchronize");
      float milliseconds = 0;
      check(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
      rounds.push_back(milliseconds / calls);
      sum += milliseconds;
    }
    std::ranges::nth_element(rounds,
                             rounds.begin() + static_cast<std::ptrdiff_t>(rounds.size() / 2));
    return rounds[rounds.size() / 2];
  }

  double product(const GemmShape& shape) {
    Gemm gemm(lt_.get(), shape);
    const GemmOperands operands{a_.data(), weight_.data(), bias_.data(), b_.data()};
    gemm.use_fastest(operands, workspace_.data(), stream_);
    return timed([&] { gemm.run(operands, workspace_.data(), stream_); });
  }

  void add(const std::string& name, std::size_t level, int times, double bytes, double milliseconds,
           double operations = 0) {
    ops_.push_back(
        {fmt::format("{} {}", name, side >> level), times, bytes, operations, milliseconds});
  }

  void add_product(const std::string& name, std::size_t level, int times, const GemmShape& shape) {
    const auto rows = static_cast<double>(shape.rows * shape.batch);
    const auto outputs = static_cast<double>(shape.outputs);
    const auto inputs = static_cast<double>(shape.inputs);
    const double bytes = 2 * (rows * inputs + rows * outputs * (shape.add ? 2 : 1) +
                              outputs * inputs * static_cast<double>(shape.batch));
    add(name, level, times, bytes, product(shape), 2 * rows * outputs * inputs);
  }

  void backbone() {
    auto* const marks = reinterpret_cast<unsigned*>(marks_.data());
    check(cudaMemset(marks, 0, batch_ * sizeof(unsigned)), "cudaMemset");
    const DeviceAffine affine{weight_.floats(), bias_.floats()};
    const auto values = [&](std::size_t level, std::size_t channels) {
      return static_cast<double>(grid(level).all() * channels);
    };
    add("stem", 0, 1, values(0, 16) * 4 + values(0, 96) * 2, timed([&] {
          stem({4, 96, affine, affine}, grid(0), a_.data(), Precision::float32, bf16, b_.data(),
               stream_);
        }));
    for (std::size_t level = 0; level < 4; ++level) {
      const PixelGrid pixels = grid(level);
      const std::size_t channels = hidden[level];
      const int blocks = depths[level];
      for (const auto sums : {DepthwiseSums::float16, DepthwiseSums::float32}) {
        const bool half = sums == DepthwiseSums::float16;
        add(half ? "depthwise + norm" : "(depthwise + norm, float32 sums)", level,
            half ? blocks : 0, values(level, channels) * 4, timed([&] {
              depthwise_norm(affine, channels, pixels, sums, marks, bf16, a_.data(), b_.data(),
                             stream_);
            }));
      }
      const bool own = runs_hopper_kernels() && wide_gelu_takes(channels);
      const double wide = values(level, 4 * channels);
      const double operations = 2 * wide * static_cast<double>(channels);
      if (own) {
        add("1st pointwise, GELU and response", level, blocks,
            values(level, channels) * 2 + wide * 2, timed([&] {
              wide_gelu(channels, pixels, a_.data(), weight_.data(), bias_.data(), b_.data(),
                        sums_.floats(), stream_);
            }),
            operations);
      }
      const auto name = [own](const std::string& op) { return own ? "(" + op + ")" : op; };
      add_product(name("1st pointwise + GELU"), level, own ? 0 : blocks,
                  {pixels.all(), 4 * channels, channels, GemmEpilogue::bias_gelu});
      add(name("response sums"), level, own ? 0 : blocks, wide * 2, timed([&] {
            response_sums(4 * channels, pixels, bf16, false, a_.data(), sums_.floats(), stream_);
          }));
      const std::size_t parts = own ? wide_gelu_parts(pixels.of_image())
                                    : response_parts(pixels.of_image(), 4 * channels);
      const double matrices = 2.0 * static_cast<double>((batch_ + 1) * 4 * channels * channels);
      add("response fold", level, blocks, matrices, timed([&] {
            fold_responses(4 * channels, channels, batch_, bf16, sums_.floats(), parts,
                           weight_.floats(), weight_.data(), affine_.floats(), b_.data(), stream_);
          }));
      add_product("2nd pointwise + x", level, blocks,
                  {pixels.of_image(), channels, 4 * channels, GemmEpilogue::bias, true, batch_});
      const bool last = level == 3;
      add("norm of a stage", level, 1, values(level, channels) * (last ? 4 : 6), timed([&] {
            normalise(channels, pixels, bf16, a_.data(), b_.data(),
                      last ? nullptr : b_.data() + large / 2, stream_);
          }));
      if (!last) {
        add_product("downsampling", level, 1,
                    {pixels.all() / 4, 2 * channels, 4 * channels, GemmEpilogue::bias});
      }
      add_product("adapter", level, 1, {pixels.all(), features, channels, GemmEpilogue::bias});
    }
  }

  void bifpn() {
    const DeviceAffine affine{weight_.floats(), bias_.floats()};
    for (std::size_t level = 0; level < 4; ++level) {
      const PixelGrid pixels = grid(level);
      const auto bytes = 2.0 * static_cast<double>(pixels.all() * features);
      const int nodes = bifpn_blocks * (level == 0 || level == 3 ? 1 : 2);
      const bool own = runs_hopper_kernels() && bifpn_node_takes(features, pixels.of_image(), 1);
      const auto name = [own](const std::string& op) { return own ? "(" + op + ")" : op; };
      const int times = own ? 0 : bifpn_blocks;
      const double operations = bytes * features;
      const std::byte* const p = a_.data();
      const std::byte* const m = p + large / 4;
      const std::byte* const other = p + large / 2;
      if (level < 3) {
        add(name("fuse with deeper"), level, times, bytes * 2.25, timed([&] {
              fuse_with_deeper({0.5F, 0.5F}, features, grid(level + 1), bf16, p, other, b_.data(),
                               stream_);
            }));
        if (own) {
          add("BiFPN node up", level, bifpn_blocks, bytes * 2.25, timed([&] {
                bifpn_node_up({0.5F, 0.5F}, affine, grid(level + 1), weight_.data(), p, other,
                              b_.data(), stream_);
              }),
              operations);
        }
      }
      if (level > 0) {
        add(name("fuse with shallower"), level, times, bytes * 7, timed([&] {
              fuse_with_shallower({0.5F, 0.25F, 0.25F}, features, pixels, bf16, p, m, other,
                                  b_.data(), stream_);
            }));
        if (own) {
          add("BiFPN node down", level, bifpn_blocks, bytes * 7, timed([&] {
                bifpn_node_down({0.5F, 0.25F, 0.25F}, affine, pixels, weight_.data(), p, m, other,
                                b_.data(), stream_);
              }),
              operations);
        }
      }
      add_product(name("BiFPN 1x1"), level, own ? 0 : nodes, {pixels.all(), features, features});
      add(name("norm, GELU, + p"), level, own ? 0 : nodes, bytes * 3, timed([&] {
            norm_gelu_add(affine, features, pixels, bf16, p, other, b_.data(), stream_);
          }));
    }
  }

  void convolution(std::size_t level, int times) {
    const PixelGrid pixels = grid(level);
    Convolution convolution(cudnn_.get(), {pixels, features, features, bf16});
    const ConvolutionOperands operands{a_.data(), weight_.data(), bias_.data(), b_.data()};
    convolution.use_fastest(operands, workspace_.data(), Convolution::most_workspace, stream_);
    const auto values = static_cast<double>(pixels.all() * features);
    add("3x3", level, times, 4 * values,
        timed([&] { convolution.run(operands, workspace_.data(), stream_); }),
        2 * values * 9 * features);
  }

  void heads() {
    const DeviceAffine affine{weight_.floats(), bias_.floats()};
    // Convolutions at each level: head l begins at level l and ends at level 1, head 0 is at 0.
    const int convolutions[] = {1, 3, 2, 1};
    for (std::size_t level = 0; level < 4; ++level) {
      const PixelGrid pixels = grid(level);
      const auto bytes = 2.0 * static_cast<double>(pixels.all() * features);
      convolution(level, convolutions[level]);
      add("GroupNorm sums", level, convolutions[level], bytes, timed([&] {
            group_norm_affine(affine, features, pixels, bf16, a_.data(), sums_.floats(),
                              affine_.floats(), stream_);
          }));
      if (level < 2) {
        add("GELU and scores", level, convolutions[level], bytes, timed([&] {
              gelu_scores(bias_.floats(), features, 1, weight_.floats(), pixels, bf16, a_.data(),
                          b_.floats(), stream_);
            }));
      } else {
        add("GELU and up", level, convolutions[level], bytes * 5, timed([&] {
              gelu_up(bias_.floats(), features, pixels, bf16, a_.data(), b_.data(), stream_);
            }));
      }
    }
    const auto patches = static_cast<double>(grid(0).all());
    add("decide", 0, 1, patches * (4 * 1.75 + 2), timed([&] {
          decide_peaks(
              {a_.floats(), {a_.floats(), a_.floats(), a_.floats()}}, 1, 0.1F, 4, grid(0), nullptr,
              {batch_, map_geometry(4 * side, 4 * side, {}), MapFormat::bits, b_.data()}, stream_);
        }));
  }

  void heading() const {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    fmt::print("{}: copies {:.2f} TB/s, matrix products {:.0f} TFLOP/s; batch {}\n",
               properties.name, copy_speed_ * 1e-12, product_speed_ * 1e-12, batch_);
  }

  double limit(const Op& op) const {
    return 1e3 * std::max(op.bytes / copy_speed_, op.operations / product_speed_);
  }

  // In milliseconds an image.
  void table() {
    std::ranges::sort(ops_, std::greater<>{},
                      [&](const Op& op) { return op.times * (op.milliseconds - limit(op)); });
    fmt::print("{:36} {:>5} {:>9} {:>9} {:>6} {:>9}\n", "op, pixels a side", "times", "ms/image",
               "limit", "of it", "lost");
    const auto images = static_cast<double>(batch_);
    double all = 0;
    double least = 0;
    for (const Op& op : ops_) {
      const double took = op.milliseconds / images;
      const double could = limit(op) / images;
      fmt::print("{:36} {:5} {:9.4f} {:9.4f} {:6.2f} {:9.4f}\n", op.name, op.times, took, could,
                 could / took, op.times * (took - could));
      all += op.times * took;
      least += op.times * could;
    }
    fmt::print("all: {:.3f} ms/image, {:.0f} images/s; limits {:.3f} ms/image\n", all, 1e3 / all,
               least);
  }

  std::size_t batch_;
  double seconds_;
  Stream stream_;
  CublasLt lt_ = make_cublas_lt();
  Cudnn cudnn_ = make_cudnn();
  Memory a_{large};
  Memory b_{large};
  Memory weight_{std::size_t{256} << 20U};
  Memory bias_{std::size_t{1} << 20U};
  Memory sums_{std::size_t{64} << 20U};
  Memory marks_{std::size_t{1} << 12U};  // of images whose float16 sums are too large: none
  Memory affine_{std::size_t{4} << 20U};
  Memory workspace_{Convolution::most_workspace};
  double copy_speed_ = 1;
  double product_speed_ = 1;
  std::vector<Op> ops_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("PeakNet base, op by op, beside each op's limit");
  std::size_t batch = 8;
  double seconds = 0.2;
  app.add_option("--batch", batch, "images")->check(CLI::Range(1, 12));
  app.add_option("--seconds", seconds, "for each op, at least")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: there is no GPU");
    return ended_without_gpu;
  }
  try {
    Bench(batch, seconds).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
