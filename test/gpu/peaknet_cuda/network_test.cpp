// The whole network on a GPU: what must hold whatever its weights are. That it computes what
// PyTorch does, test/clients/test_gpu.py tells.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "gpu/cuda/cuda_check.h"
#include "gpu/cuda/cuda_handles.h"
#include "gpu/peaknet_cuda/peaknet_model.h"
#include "test/gpu/peaknet_cuda/device_values.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

const PeakNetConfig learned{{16, 32, 64, 128}, {1, 2, 1, 1}, 2, 32, 64, true, 2};
// The base model's channels, for which there are kernels for Hopper.
const PeakNetConfig base{{96, 192, 384, 768}, {1, 1, 1, 1}, 1, 256, 256, false, 4};
const PeakNetConfig plain{{32, 64, 96, 32}, {1, 1, 2, 1}, 1, 64, 32, false, 4};

// The norms of the BiFPN are `bifpn_norms` times as large as others.
FoldedPeakNet random_network(const PeakNetConfig& config, float bifpn_norms) {
  std::mt19937 random(11);
  return fold_peaknet(
      config, make_peaknet(config, [&](const PeakNetTensor& tensor) {
        std::size_t count = 1;
        for (const std::size_t extent : tensor.shape) count *= extent;
        Values values(count);
        // Weights of matrices get smaller with their inputs, as they do in training.
        const double inputs = tensor.shape.size() > 1 ? static_cast<double>(count) /
                                                            static_cast<double>(tensor.shape[0])
                                                      : 1;
        std::normal_distribution<float> normal(0, static_cast<float>(1 / std::sqrt(inputs)));
        std::ranges::generate(values, [&] { return tensor.boolean ? 1.0F : normal(random); });
        if (tensor.shape.size() == 1 && tensor.name.starts_with("bifpn.")) {
          for (float& value : values) value *= bifpn_norms;
        }
        return values;
      }));
}

struct Answer {
  std::vector<std::byte> maps;
  Values logits;
  friend bool operator==(const Answer& a, const Answer& b) {
    return a.maps == b.maps && a.logits.size() == b.logits.size() &&
           std::memcmp(a.logits.data(), b.logits.data(), a.logits.size() * sizeof(float)) == 0;
  }
};

std::shared_ptr<DeviceModel> model_of(const std::shared_ptr<const PlacedPeakNet>& net) {
  static const auto cache =
      std::make_shared<AlgorithmCache>(std::filesystem::path(), [](const std::string&) {});
  return make_peaknet_model(net, cache, 0, EngineSettings{});
}

// A stream, images of one size and room for what a model answers.
class Instance {
 public:
  Instance(std::shared_ptr<DeviceModel> model, Precision precision, const PixelGrid& size)
      : size_(size),
        values_(random_values(size.all(), precision, 7)),
        input_(values_, precision),
        model_(std::move(model)),
        images_{input_.data(), precision, size.images, size.height, size.width} {
    geometry_.map_height = size.height;
    geometry_.map_width = size.width;
    maps_.reserve(size.images * geometry_.map_bytes(MapFormat::bits));
    logits_.reserve(2 * size.all() * sizeof(float));
  }

  void enqueue(std::size_t images) {
    model_->run_to_maps(images_,
                        {images, geometry_, MapFormat::bits, maps_.data(),
                         reinterpret_cast<float*>(logits_.data())},
                        stream_);
  }
  Answer answer(std::size_t images) {
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    Answer answer{std::vector<std::byte>(images * geometry_.map_bytes(MapFormat::bits)),
                  Values(2 * images * size_.of_image())};
    check(cudaMemcpy(answer.maps.data(), maps_.data(), answer.maps.size(), cudaMemcpyDeviceToHost),
          "cudaMemcpy");
    check(cudaMemcpy(answer.logits.data(), logits_.data(), answer.logits.size() * sizeof(float),
                     cudaMemcpyDeviceToHost),
          "cudaMemcpy");
    return answer;
  }
  Answer run(std::size_t images) {
    enqueue(images);
    return answer(images);
  }
  Answer run() { return run(size_.images); }

  DeviceModel& model() { return *model_; }
  bool capture() { return model_->capture({&images_, 1}, static_cast<cudaStream_t>(stream_)); }

 private:
  PixelGrid size_;
  Values values_;
  DeviceValues input_;
  Stream stream_;
  std::shared_ptr<DeviceModel> model_;
  DeviceImages images_;
  MapGeometry geometry_;
  CudaBuffer maps_{MemoryKind::device};
  CudaBuffer logits_{MemoryKind::device};
};

std::shared_ptr<const PlacedPeakNet> placed(const PeakNetConfig& config, Precision precision,
                                            float bifpn_norms = 1) {
  return std::make_shared<const PlacedPeakNet>(random_network(config, bifpn_norms), precision);
}

bool finite_and_of_both_classes(const Answer& answer) {
  const auto is_set = [](std::byte byte) { return byte != std::byte{0}; };
  return std::ranges::all_of(answer.logits, [](float value) { return std::isfinite(value); }) &&
         (answer.logits.size() < 200 || std::ranges::any_of(answer.maps, is_set));
}

}  // namespace

TEST_CASE("a network of any size gives the same bits in every run, as a graph too") {
  for (const Precision precision : {Precision::float32, Precision::bfloat16, Precision::float16}) {
    for (const PeakNetConfig& config : {learned, plain}) {
      const auto net = placed(config, precision);
      for (const PixelGrid& size :
           {PixelGrid{1, 1, 1}, {2, 352, 384}, {3, 33, 50}, {1, 167, 165}}) {
        CAPTURE(size.height);
        Instance instance(model_of(net), precision, size);
        const Answer first = instance.run();
        CHECK(finite_and_of_both_classes(first));
        const std::uint64_t allocations = instance.model().counts().allocations;
        CHECK(instance.run() == first);
        CHECK(instance.run(1).maps ==
              std::vector(first.maps.begin(),
                          first.maps.begin() +
                              static_cast<std::ptrdiff_t>(first.maps.size() / size.images)));
        CHECK(instance.capture());
        CHECK(instance.run() == first);
        CHECK(instance.run() == first);
        CHECK(instance.model().counts().graph_launches == 2);
        CHECK(instance.model().counts().allocations == allocations);
      }
    }
  }
}

TEST_CASE(
    "the base model's channels have the same bits in every run and instance, as a graph too") {
  const auto net = placed(base, Precision::bfloat16);
  for (const std::size_t images : {1, 3, 8, 16}) {
    CAPTURE(images);
    Instance one(model_of(net), Precision::bfloat16, {images, 384, 384});
    Instance other(model_of(net), Precision::bfloat16, {images, 384, 384});
    const Answer first = one.run();
    CHECK(std::ranges::all_of(first.logits, [](float value) { return std::isfinite(value); }));
    CHECK(std::ranges::any_of(first.logits, [](float value) { return value != 0; }));
    CHECK(other.run() == first);
    CHECK(one.capture());
    for (int i = 0; i < 5; ++i) {
      one.enqueue(images);
      other.enqueue(images);
      CHECK(one.answer(images) == first);
      CHECK(other.answer(images) == first);
    }
  }
}

// Beyond what GELU in float16 can have, so that the kernel that has it is not taken.
TEST_CASE("norms of the BiFPN may have large weights") {
  constexpr float bifpn_norms = 20'000;
  constexpr PixelGrid size{1, 384, 384};
  const auto logits_in = [&](Precision precision) {
    return Instance(model_of(placed(base, precision, bifpn_norms)), precision, size).run().logits;
  };
  const Values exact = logits_in(Precision::float32);
  const Values rounded = logits_in(Precision::bfloat16);
  double squares = 0;
  double errors = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    squares += exact[i] * exact[i];
    errors += (rounded[i] - exact[i]) * (rounded[i] - exact[i]);
  }
  CHECK(squares > 0);
  CHECK(errors < 0.01 * squares);
}

TEST_CASE("sizes of micro-batch take turns in one block of memory") {
  const auto model = model_of(placed(learned, Precision::bfloat16));
  Instance large(model, Precision::bfloat16, {4, 96, 64});
  Instance small(model, Precision::bfloat16, {1, 96, 64});
  const Answer of_large = large.run();
  const Answer of_small = small.run();
  for (int i = 0; i < 3; ++i) {
    CHECK(large.run() == of_large);
    CHECK(small.run() == of_small);
  }
}

TEST_CASE("two instances on two streams at once give the bits of one") {
  const auto net = placed(plain, Precision::bfloat16);
  Instance one(model_of(net), Precision::bfloat16, {2, 256, 320});
  Instance other(model_of(net), Precision::bfloat16, {2, 256, 320});
  const Answer expected = one.run();
  other.run();
  for (int i = 0; i < 20; ++i) {
    one.enqueue(2);
    other.enqueue(2);
    CHECK(one.answer(2) == expected);
    CHECK(other.answer(2) == expected);
  }
}
