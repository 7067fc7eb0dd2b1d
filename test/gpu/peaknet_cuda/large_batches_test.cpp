// Batches of more values than 32 bits count: what the last image gives is what it gives alone.

#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <functional>
#include <vector>

#include "gpu/cuda/cuda_check.h"
#include "gpu/peaknet_cuda/convolution.h"
#include "gpu/peaknet_cuda/gemm.h"
#include "gpu/peaknet_cuda/hopper_kernels.h"
#include "gpu/peaknet_cuda/shapes.h"
#include "test/gpu/peaknet_cuda/reference.h"

using namespace pnflow;
using namespace pnflow::test;

namespace {

constexpr auto f32 = Precision::float32;
constexpr auto bf16 = Precision::bfloat16;

// What a call reads or writes: so many values for an image.
struct Part {
  std::size_t values;
  Precision precision = bf16;
};
using Parts = std::vector<Part>;
using Pointers = std::vector<void*>;
using Call = std::function<void(const PixelGrid& grid, const Pointers& parts)>;

void copy(void* to, const void* from, std::size_t bytes) {
  check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToDevice), "cudaMemcpy");
}

// Of `images` images, all of them 0 but the last.
class Batch {
 public:
  Batch(std::size_t images, const Parts& parts, const std::vector<DeviceValues>& last)
      : parts_(parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const std::size_t bytes = parts[i].values * size_of(parts[i].precision);
      CudaBuffer& buffer = buffers_.emplace_back(MemoryKind::device);
      buffer.reserve(images * bytes);
      check(cudaMemset(buffer.data(), 0, images * bytes), "cudaMemset");
      pointers_.push_back(buffer.data());
      last_.push_back(buffer.data() + (images - 1) * bytes);
      copy(last_.back(), last[i].data(), bytes);
    }
  }
  const Pointers& pointers() const { return pointers_; }
  Values last(std::size_t part) const {
    const DeviceValues values(parts_[part].values, parts_[part].precision);
    copy(values.data(), last_[part], parts_[part].values * size_of(parts_[part].precision));
    return values.values();
  }

 private:
  Parts parts_;
  std::vector<CudaBuffer> buffers_;
  Pointers pointers_;
  std::vector<std::byte*> last_;
};

// `factor`: of check_near(), where an image may have other bits in a batch; 0: it may not.
void check_last_image(const PixelGrid& grid, const Parts& parts, const Call& call,
                      double factor = 0) {
  std::size_t bytes = 0;
  for (const Part& part : parts) bytes += (grid.images + 1) * part.values * size_of(part.precision);
  std::size_t free = 0;
  std::size_t all = 0;
  check(cudaMemGetInfo(&free, &all), "cudaMemGetInfo");
  if (free < bytes + (std::size_t{2} << 30U)) {
    MESSAGE("skipped: it takes " << (bytes >> 30U) << " GiB, and " << (free >> 30U) << " are free");
    return;
  }
  std::vector<DeviceValues> image;
  for (const Part& part : parts) {
    const auto seed = static_cast<unsigned>(image.size() + 1);
    image.emplace_back(random_values(part.values, part.precision, seed), part.precision);
  }
  const Batch many(grid.images, parts, image);
  call(grid, many.pointers());
  const Batch one(1, parts, image);
  call({1, grid.height, grid.width}, one.pointers());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    CAPTURE(i);
    if (factor == 0) {
      CHECK(many.last(i) == one.last(i));
    } else {
      check_near(many.last(i), numbers(one.last(i)), parts[i].precision, factor);
    }
  }
}

// 65536 pixels of 32 channels, and a quarter of them.
constexpr std::size_t channels = 32;
constexpr PixelGrid whole{2100, 256, 256};
constexpr PixelGrid smaller{2100, 128, 128};
constexpr std::size_t values = whole.of_image() * channels;
static_assert(whole.images * values > std::size_t{1} << 32U);
static_assert(whole.images <= most_images);

const float* floats(void* pointer) { return static_cast<const float*>(pointer); }

}  // namespace

TEST_CASE("backbone, large batches") {
  const DeviceValues weight(random_values(49 * channels, f32, 20), f32);
  const DeviceValues bias(random_values(channels, f32, 21), f32);
  const DeviceAffine affine{weight.floats(), bias.floats()};
  SUBCASE("stem") {
    check_last_image(whole, {{whole.of_image() * 16, f32}, {values}}, [&](auto& grid, auto& p) {
      stem({4, channels, affine, affine}, grid, p[0], f32, bf16, p[1], nullptr);
    });
  }
  SUBCASE("depthwise convolution") {
    for (const DepthwiseSums sums : {DepthwiseSums::float32, DepthwiseSums::float16}) {
      // Nothing exceeds the sums' range: the marks stay as they are, which is 0.
      const DeviceValues marks(Values(whole.images), f32);
      check_last_image(whole, {{values}, {values}}, [&](auto& grid, auto& p) {
        depthwise_norm(affine, channels, grid, sums, reinterpret_cast<unsigned*>(marks.floats()),
                       bf16, p[0], p[1], nullptr);
      });
    }
  }
  SUBCASE("normalised pixels") {
    check_last_image(whole, {{values}, {values}, {values}}, [&](auto& grid, auto& p) {
      normalise(channels, grid, bf16, p[0], p[1], p[2], nullptr);
    });
  }
  SUBCASE("responses") {
    const std::size_t sums = response_parts(whole.of_image(), channels) * channels;
    check_last_image(whole, {{values}, {sums, f32}}, [&](auto& grid, auto& p) {
      response_sums(channels, grid, bf16, true, p[0], static_cast<float*>(p[1]), nullptr);
    });
  }
}

TEST_CASE("BiFPN, large batches") {
  const DeviceValues weight(random_values(channels, f32, 20), f32);
  SUBCASE("a level fused with the deeper one") {
    check_last_image(smaller, {{values}, {values / 4}, {values}}, [&](auto& grid, auto& p) {
      fuse_with_deeper({0.25F, 0.75F}, channels, grid, bf16, p[0], p[1], p[2], nullptr);
    });
  }
  SUBCASE("a level fused with the shallower one") {
    check_last_image(smaller, {{values / 4}, {values / 4}, {values}, {values / 4}},
                     [&](auto& grid, auto& p) {
                       fuse_with_shallower({0.5F, 0.125F, 0.375F}, channels, grid, bf16, p[0], p[1],
                                           p[2], p[3], nullptr);
                     });
  }
  SUBCASE("norm and GELU") {
    check_last_image(whole, {{values}, {values}}, [&](auto& grid, auto& p) {
      norm_gelu_add({weight.floats(), weight.floats()}, channels, grid, bf16, p[0], p[1], p[0],
                    nullptr);
    });
  }
}

TEST_CASE("kernels for Hopper, large batches") {
  if (!runs_hopper_kernels()) return;
  SUBCASE("first pointwise") {
    constexpr std::size_t inputs = 96;
    constexpr PixelGrid grid{700, 128, 128};
    static_assert(grid.all() * 4 * inputs > std::size_t{1} << 32U);
    const DeviceValues weight(random_values(4 * inputs * inputs, bf16, 20), bf16);
    const DeviceValues bias(random_values(4 * inputs, bf16, 21), bf16);
    const std::size_t sums = wide_gelu_parts(grid.of_image()) * 4 * inputs;
    check_last_image(grid,
                     {{grid.of_image() * inputs}, {grid.of_image() * 4 * inputs}, {sums, f32}},
                     [&](auto& of, auto& p) {
                       wide_gelu(inputs, of, p[0], weight.data(), bias.data(), p[1],
                                 static_cast<float*>(p[2]), nullptr);
                     });
  }
  SUBCASE("nodes of the BiFPN") {
    constexpr std::size_t features = 256;
    constexpr PixelGrid grid{1030, 128, 128};
    constexpr std::size_t each = grid.of_image() * features;
    static_assert(grid.images * each > std::size_t{1} << 32U);
    const DeviceValues weight(random_values(features * features, bf16, 20), bf16);
    const DeviceValues norm(random_values(features, f32, 21), f32);
    const DeviceAffine affine{norm.floats(), norm.floats()};
    check_last_image(grid, {{each}, {each / 4}, {each}}, [&](auto& of, auto& p) {
      bifpn_node_up({0.3F, 0.7F}, affine, {of.images, of.height / 2, of.width / 2}, weight.data(),
                    p[0], p[1], p[2], nullptr);
    });
    constexpr PixelGrid deeper{1030, 64, 64};
    check_last_image(deeper, {{each / 4}, {each / 4}, {each}, {each / 4}}, [&](auto& of, auto& p) {
      bifpn_node_down({0.3F, 0.2F, 0.5F}, affine, of, weight.data(), p[0], p[1], p[2], p[3],
                      nullptr);
    });
  }
}

TEST_CASE("heads, large batches") {
  const DeviceValues weight(random_values(channels, f32, 20), f32);
  SUBCASE("GroupNorm") {
    const std::size_t sums = group_parts(whole.of_image(), channels) * channels * 2;
    check_last_image(whole, {{values}, {sums, f32}, {channels * 2, f32}}, [&](auto& grid, auto& p) {
      group_norm_affine({weight.floats(), weight.floats()}, channels, grid, bf16, p[0],
                        static_cast<float*>(p[1]), static_cast<float*>(p[2]), nullptr);
    });
  }
  SUBCASE("GELU and twice the size") {
    check_last_image(smaller, {{channels * 2, f32}, {values / 4}, {values}},
                     [&](auto& grid, auto& p) {
                       gelu_up(floats(p[0]), channels, grid, bf16, p[1], p[2], nullptr);
                     });
  }
  SUBCASE("scores") {
    check_last_image(whole, {{channels * 2, f32}, {values}, {whole.of_image(), f32}},
                     [&](auto& grid, auto& p) {
                       gelu_scores(floats(p[0]), channels, 1, weight.floats(), grid, bf16, p[1],
                                   static_cast<float*>(p[2]), nullptr);
                     });
  }
  SUBCASE("maps and logits") {
    for (const std::size_t patch : {4, 8}) {
      const PixelGrid grid{patch == 4 ? 2100U : 530U, 256, 256};
      const std::size_t scores = grid.of_image();
      const std::size_t pixels = scores * patch * patch;
      // A map's bytes are 0 or 1, and four of them no NaN.
      check_last_image(grid,
                       {{scores, f32},
                        {scores / 4, f32},
                        {scores / 4, f32},
                        {scores / 4, f32},
                        {scores, f32},
                        {pixels / 4, f32},
                        {2 * pixels, f32}},
                       [&](auto& of, auto& p) {
                         const DeviceMaps maps{
                             of.images, map_geometry(of.height * patch, of.width * patch, {}),
                             MapFormat::uint8, static_cast<std::byte*>(p[5]),
                             static_cast<float*>(p[6])};
                         decide_peaks({floats(p[0]), {floats(p[1]), floats(p[2]), floats(p[3])}}, 1,
                                      0.1F, patch, of, static_cast<float*>(p[4]), maps, nullptr);
                       });
    }
  }
}

TEST_CASE("matrix products and convolutions, large batches") {
  CudaBuffer workspace(MemoryKind::device);
  workspace.reserve(Convolution::most_workspace);
  const DeviceValues bias(random_values(1408, bf16, 20), bf16);
  SUBCASE("a matrix product") {
    const CublasLt handle = make_cublas_lt();
    constexpr PixelGrid grid{520, 64, 64};  // 3e9 values
    const DeviceValues weight(random_values(1408 * channels, bf16, 21), bf16);
    check_last_image(
        grid, {{grid.of_image() * channels}, {grid.of_image() * 1408}},
        [&](auto& of, auto& p) {
          Gemm gemm(handle.get(), {of.all(), 1408, channels, GemmEpilogue::bias_gelu});
          gemm.run({p[0], weight.data(), bias.data(), p[1]}, workspace.data(), nullptr);
        },
        2);
  }
  SUBCASE("a convolution") {
    const Cudnn handle = make_cudnn();
    const DeviceValues weight(random_values(9 * channels * channels, bf16, 21), bf16);
    check_last_image(
        whole, {{values}, {values}},
        [&](auto& grid, auto& p) {
          Convolution convolution(handle.get(), {grid, channels, channels, bf16});
          convolution.run({p[0], weight.data(), bias.data(), p[1]}, workspace.data(), nullptr);
        },
        2);
  }
}

TEST_CASE("batches that kernels cannot count are refused, small images") {
  for (const PixelGrid& grid :
       {PixelGrid{0, 8, 8}, PixelGrid{1, 0, 8}, PixelGrid{1, 8, 0}, PixelGrid{4097, 8, 8},
        PixelGrid{1, 65536, 8}, PixelGrid{1, 8, 65536}, PixelGrid{4, 32768, 32768}}) {
    CAPTURE(grid.images);
    CAPTURE(grid.height);
    const DeviceAffine none;
    CHECK_THROWS_AS(normalise(8, grid, bf16, nullptr, nullptr, nullptr, nullptr),
                    std::invalid_argument);
    CHECK_THROWS_AS(depthwise_norm(none, 8, grid, DepthwiseSums::float32, nullptr, bf16, nullptr,
                                   nullptr, nullptr),
                    std::invalid_argument);
    CHECK_THROWS_AS(stem({4, 8, none, none}, grid, nullptr, f32, bf16, nullptr, nullptr),
                    std::invalid_argument);
    CHECK_THROWS_AS(response_sums(8, grid, bf16, false, nullptr, nullptr, nullptr),
                    std::invalid_argument);
    CHECK_THROWS_AS(fuse_with_deeper({1, 1}, 8, grid, bf16, nullptr, nullptr, nullptr, nullptr),
                    std::invalid_argument);
    CHECK_THROWS_AS(norm_gelu_add(none, 8, grid, bf16, nullptr, nullptr, nullptr, nullptr),
                    std::invalid_argument);
    CHECK_THROWS_AS(gelu_up(nullptr, 32, grid, bf16, nullptr, nullptr, nullptr),
                    std::invalid_argument);
    CHECK_THROWS_AS(wide_gelu(96, grid, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr),
                    std::invalid_argument);
    CHECK_THROWS_AS(bifpn_node_down({1, 1, 1}, none, grid, nullptr, nullptr, nullptr, nullptr,
                                    nullptr, nullptr),
                    std::invalid_argument);
    CHECK_THROWS_AS(decide_peaks({}, 1, 0, 4, grid, nullptr, {1, map_geometry(8, 8, {})}, nullptr),
                    std::invalid_argument);
  }
  CHECK_THROWS_AS(
      decide_peaks({}, 1, 0, 4, {1, 8, 8}, nullptr, {0, map_geometry(8, 8, {})}, nullptr),
      std::invalid_argument);
  CHECK_THROWS_AS(
      bifpn_node_up({1, 1}, {}, {1, 1024, 512}, nullptr, nullptr, nullptr, nullptr, nullptr),
      std::invalid_argument);
  CHECK_THROWS_AS(normalise(12, {1, 8, 8}, bf16, nullptr, nullptr, nullptr, nullptr),
                  std::invalid_argument);
  CHECK_THROWS_AS(normalise(3080, {1, 8, 8}, bf16, nullptr, nullptr, nullptr, nullptr),
                  std::invalid_argument);
}
