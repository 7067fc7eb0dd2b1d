// The kernels of the CUDA module alone, on images of 1920x1920: what they move through a GPU's
// memory in a second, beside copies from device to device that move as much.
//
//   pnflow_gpu_kernels_bench --benchmark_filter=prepare --benchmark_repetitions=5
//
// "bytes_per_second" counts what a kernel must read and write, each byte once; "copy_per_second" is
// that of the copies, which read and write as well, and "of_copy" the ratio of the two: 1 is as
// fast as the memory. Ends with 77 where there is no GPU.

#include <benchmark/benchmark.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <random>
#include <vector>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/cuda_handles.h"
#include "gpu/cuda/cuda_memory.h"
#include "gpu/cuda/decide.h"
#include "gpu/cuda/prepare.h"
#include "gpu/cuda/threshold_kernels.h"

namespace {

using namespace pnflow;

constexpr std::size_t side = 1920;
constexpr std::size_t pixels = side * side;
constexpr std::size_t least_launches = 16;  // between two time stamps: the first one comes late
constexpr int ended_without_gpu = 77;

// So many sets of buffers, used in turn, that nothing of one is left in the L2 cache when its turn
// comes again. `bytes` is what the work on one of them reads and writes.
std::size_t sets_of(std::size_t bytes) {
  int l2 = 0;
  check(cudaDeviceGetAttribute(&l2, cudaDevAttrL2CacheSize, 0), "cudaDeviceGetAttribute");
  return std::max<std::size_t>(2, 4 * static_cast<std::size_t>(l2) / bytes + 1);
}

// Device memory, a buffer for each set.
class Buffers {
 public:
  Buffers(std::size_t sets, std::size_t bytes) {
    for (std::size_t i = 0; i < sets; ++i) {
      buffers_.emplace_back(MemoryKind::device);
      buffers_.back().reserve(bytes);
    }
  }
  // Fills each with `part`, over and over.
  void fill(const std::vector<std::byte>& part, std::size_t bytes) {
    for (const CudaBuffer& buffer : buffers_) {
      for (std::size_t at = 0; at < bytes; at += part.size()) {
        check(cudaMemcpy(buffer.data() + at, part.data(), std::min(part.size(), bytes - at),
                         cudaMemcpyHostToDevice),
              "cudaMemcpy");
      }
    }
  }
  std::byte* operator[](std::size_t set) const { return buffers_[set].data(); }

 private:
  std::vector<CudaBuffer> buffers_;
};

// Seconds between the begin and the end, on the device, of what `enqueue` puts on the stream.
template <class Enqueue>
double seconds_of(cudaStream_t stream, const Enqueue& enqueue) {
  const Event begin;
  const Event end;
  check(cudaEventRecord(begin, stream), "cudaEventRecord");
  enqueue();
  check(cudaEventRecord(end, stream), "cudaEventRecord");
  check(cudaEventSynchronize(end), "cudaEventSynchronize");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
  return double{milliseconds} * 1e-3;
}

// Times `work(set, stream)`, a micro-batch that reads and writes `bytes`, on set after set, and in
// between copies that move as much.
template <class Work>
void measure(benchmark::State& state, std::size_t sets, std::size_t bytes, const Work& work) {
  const Stream stream;
  const std::size_t half = bytes / 2;  // is read, and half is written
  const Buffers from(sets, half);
  const Buffers to(sets, half);
  const std::size_t launches = std::max(sets, least_launches);
  const auto work_all = [&] {
    for (std::size_t i = 0; i < launches; ++i) work(i % sets, stream);
  };
  const auto copy_all = [&] {
    for (std::size_t i = 0; i < launches; ++i) {
      const std::size_t set = i % sets;
      check(cudaMemcpyAsync(to[set], from[set], half, cudaMemcpyDeviceToDevice, stream),
            "cudaMemcpyAsync on the device");
    }
  };
  seconds_of(stream, work_all);  // the first launch loads the kernel
  seconds_of(stream, copy_all);
  double worked = 0;
  double copied = 0;
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(launches))) {
    const double seconds = seconds_of(stream, work_all);
    state.SetIterationTime(seconds);
    worked += seconds;
    copied += seconds_of(stream, copy_all);
  }
  const double moved = static_cast<double>(state.iterations()) * static_cast<double>(bytes);
  const auto rate = [](double per_second) {
    return benchmark::Counter(per_second, benchmark::Counter::kDefaults,
                              benchmark::Counter::kIs1000);
  };
  state.counters["bytes_per_second"] = rate(moved / worked);
  state.counters["copy_per_second"] = rate(moved / copied);
  state.counters["of_copy"] = copied / worked;
}

// One image: photons of 10 ADU over a weak background, and a spot every thousand pixels or so.
template <class T>
std::vector<std::byte> detector_image() {
  std::mt19937 random(1);
  std::poisson_distribution<int> photons(0.2);
  std::vector<std::byte> bytes(pixels * sizeof(T));
  auto* image = reinterpret_cast<T*>(bytes.data());
  for (std::size_t i = 0; i < pixels; ++i) {
    image[i] = static_cast<T>(10 * photons(random) + static_cast<int>(random() % 3));
  }
  for (std::size_t i = 0; i + side + 1 < pixels; i += 997) {
    for (const std::size_t at : {i, i + 1, i + side, i + side + 1}) image[at] += T{60};
  }
  return bytes;
}

std::vector<std::byte> image_of(DType dtype) {
  return dtype == DType::f32 ? detector_image<float>() : detector_image<std::uint16_t>();
}

RawImages raw_images(const std::byte* data, DType dtype, std::size_t images) {
  static_assert(pixels * 2 % 256 == 0);  // a pitch
  return {data, pixels * size_of(dtype), dtype, nullptr, images, map_geometry(side, side, {})};
}

void prepare(benchmark::State& state, DType dtype, Precision precision, Normalize normalize) {
  constexpr std::size_t images = 8;
  const std::size_t in = images * pixels * size_of(dtype);
  const std::size_t out = images * pixels * size_of(precision);
  const std::size_t sets = sets_of(in + out);
  Buffers raw(sets, in);
  raw.fill(image_of(dtype), in);
  const Buffers values(sets, out);
  const Buffers statistics(sets, statistics_bytes(images));
  measure(state, sets, in + out, [&](std::size_t set, cudaStream_t stream) {
    prepare_images(raw_images(raw[set], dtype, images), normalize, {}, precision, statistics[set],
                   values[set], stream);
  });
}

enum class Order { nchw, channels_last };

DeviceLogits logits_at(const std::byte* values, Precision precision, Order order) {
  constexpr auto plane = static_cast<std::int64_t>(pixels);
  constexpr auto row = static_cast<std::int64_t>(side);
  if (order == Order::nchw) return {values, precision, 2 * plane, plane, row, 1, nullptr};
  return {values, precision, 2 * plane, 1, 2 * row, 2, nullptr};
}

void decide(benchmark::State& state, Precision precision, Order order, MapFormat format) {
  constexpr std::size_t images = 8;
  const MapGeometry geometry = map_geometry(side, side, {});
  const std::size_t in = images * 2 * pixels * size_of(precision);
  const std::size_t out = images * geometry.map_bytes(format);
  const std::size_t sets = sets_of(in + out);
  // Some bits; where they are no number, that is neither more nor less work.
  std::mt19937 random(2);
  std::vector<std::byte> noise(pixels);
  for (std::byte& byte : noise) byte = static_cast<std::byte>(random());
  Buffers logits(sets, in);
  logits.fill(noise, in);
  const Buffers maps(sets, out);
  measure(state, sets, in + out, [&](std::size_t set, cudaStream_t stream) {
    decide_classes(logits_at(logits[set], precision, order), {images, geometry, format, maps[set]},
                   stream);
  });
}

void threshold(benchmark::State& state, DType dtype, std::size_t images) {
  const ThresholdSettings settings;
  const ThresholdRule rule(settings);
  const MapGeometry geometry = map_geometry(side, side, {});
  const std::size_t in = images * pixels * size_of(dtype);
  const std::size_t out = images * geometry.map_bytes(MapFormat::bits);
  const std::size_t sets = sets_of(in + out);
  Buffers raw(sets, in);
  raw.fill(image_of(dtype), in);
  const Buffers maps(sets, out);
  CudaBuffer scratch(MemoryKind::device);  // one for all, as in a pipeline
  scratch.reserve(threshold_bytes(images, pixels));
  measure(state, sets, in + out, [&](std::size_t set, cudaStream_t stream) {
    find_by_threshold(raw_images(raw[set], dtype, images), rule, settings.radius, MapFormat::bits,
                      scratch.data(), maps[set], stream);
  });
  const auto done = static_cast<double>(state.iterations()) * static_cast<double>(images);
  state.counters["s_per_image"] =
      benchmark::Counter(done, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

template <class Function, class... Arguments>
void add(const std::string& name, Function function, Arguments... arguments) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) { function(state, arguments...); })
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

void add_all() {
  for (const DType dtype : {DType::u16, DType::f32}) {
    for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
      for (const Normalize normalize : {Normalize::none, Normalize::instance}) {
        add(fmt::format("prepare/{}/{}/{}", pnflow::name_of(dtype), name_of(precision),
                        normalize == Normalize::none ? "none" : "instance"),
            prepare, dtype, precision, normalize);
      }
    }
  }
  for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
    for (const Order order : {Order::nchw, Order::channels_last}) {
      for (const MapFormat format : {MapFormat::bits, MapFormat::uint8}) {
        add(fmt::format("decide/{}/{}/{}", name_of(precision),
                        order == Order::nchw ? "nchw" : "channels_last",
                        format == MapFormat::bits ? "bits" : "uint8"),
            decide, precision, order, format);
      }
    }
  }
  for (const DType dtype : {DType::u16, DType::f32}) {
    for (const std::size_t images : {1, 8}) {
      add(fmt::format("threshold/{}/images:{}", pnflow::name_of(dtype), images), threshold, dtype,
          images);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: there is no GPU");
    return ended_without_gpu;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  add_all();
  try {
    benchmark::RunSpecifiedBenchmarks();
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
